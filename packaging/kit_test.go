package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The docassemble kit, tried in two folder trees that imitate docassemble's
// container: Debian's supervisor with docassemble's program names and priorities,
// nginx with the log site, syslog-ng, logrotate, www-data, and docassemble's order
// of start and stop. They share a network; each has processes of its own.

// imitation is one container.
type imitation struct {
	t    *testing.T
	name string
	root string
	cmd  *exec.Cmd
}

// docassembleRoot makes the archive of a Debian with what docassemble's image has
// of it.
func docassembleRoot(t *testing.T) (archive string) {
	t.Helper()
	archive = filepath.Join(cacheDir(), "docassemble.tar")
	if _, err := os.Stat(archive); err == nil {
		return archive
	}
	sh(t, `cp /etc/resolv.conf $ROOT/etc/resolv.conf
		printf '#!/bin/sh\nexit 101\n' >$ROOT/usr/sbin/policy-rc.d; chmod 755 $ROOT/usr/sbin/policy-rc.d
		unshare --mount --pid --fork chroot $ROOT bash -c 'mount -t proc proc /proc && apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -o APT::Sandbox::User=root install -y --no-install-recommends supervisor nginx-light syslog-ng-core logrotate curl' >&2
		tar -C $ROOT -cf $TAR.$$ . && mv $TAR.$$ $TAR`, "TAR="+archive, "ROOT="+debian(t))
	return archive
}

const (
	// supervisorConf has docassemble's names and priorities.
	supervisorConf = `
[unix_http_server]
file=/run/supervisor.sock
[supervisord]
nodaemon=true
logfile=/var/log/supervisor/supervisord.log
pidfile=/run/supervisord.pid
user=root
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix:///run/supervisor.sock
[program:syslogng]
command=bash /usr/share/docassemble/webapp/run-syslogng.sh
user=0
autostart=false
autorestart=false
startsecs=1
priority=300
stderr_logfile=/var/log/supervisor/syslogng.log
[program:nginx]
command=bash /usr/share/docassemble/webapp/run-nginx.sh
autostart=false
autorestart=true
startsecs=1
stopasgroup=true
priority=600
[program:uwsgi]
command=bash /usr/share/docassemble/webapp/run-uwsgi.sh
user=www-data
autostart=false
autorestart=true
stopasgroup=true
startsecs=1
priority=500
stdout_logfile=/usr/share/docassemble/log/uwsgi.log
redirect_stderr=true
[program:initialize]
command=bash /usr/share/docassemble/webapp/initialize.sh
autostart=true
autorestart=false
exitcodes=0
startsecs=0
stopwaitsecs=25
priority=400
`
	// initializeScript starts the others in docassemble's order, and copies the log
	// folder away when it is stopped.
	initializeScript = `
set -e
ctl() { supervisorctl -c /etc/supervisor/supervisord.conf "$@"; }
rm -f /run/docassemble/ready
for f in docassemble websockets worker single_worker uwsgi; do
	case ":$CONTAINERROLE:" in *:web:*) touch /usr/share/docassemble/log/$f.log; chown www-data:www-data /usr/share/docassemble/log/$f.log ;; esac
done
case ":$CONTAINERROLE:" in *:web:*) ctl start uwsgi ;; esac
ctl start nginx
case ":$CONTAINERROLE:" in *:web:*) sleep 1 ;; esac
ctl start syslogng
mkdir -p /run/docassemble; touch /run/docassemble/ready
trap 'rm -f /run/docassemble/ready; cp -a /usr/share/docassemble/log/. /backup/; exit 0' TERM
while :; do sleep 0.2; done
`
	oldScript = "exec /usr/sbin/syslog-ng --foreground --no-caps\n"
	// nginxScript links the log site anew at each start, as docassemble's does.
	nginxScript = `
cp /usr/share/docassemble/config/nginx-log.dist /etc/nginx/sites-available/docassemblelog
rm -f /etc/nginx/sites-enabled/*
case ":$CONTAINERROLE:" in *:log:*) ln -s /etc/nginx/sites-available/docassemblelog /etc/nginx/sites-enabled/docassemblelog ;; esac
exec nginx -g 'daemon off;'
`
	nginxLogSite = "server { listen 8080; listen 8082; location / { root /usr/share/docassemble/log; autoindex on; } }\n"
	// writerScript is the web app: numbered lines, with the file held open.
	writerScript = `
trap 'exit 0' TERM
exec 3>>/usr/share/docassemble/log/docassemble.log
n=0; [ -f /tmp/n ] && n=$(cat /tmp/n)
while :; do
	for i in 1 2 3 4 5 6 7 8 9 10; do n=$((n+1)); echo "docassemble: number $n at $(printf '%(%s)T' -1)." >&3; done
	echo $n >/tmp/n
	sleep 0.05
done
`
	centralConf = `@version: 3.38
options { flush-lines(0); use-dns(no); use-fqdn(no); keep-hostname(no); owner("www-data"); group("www-data"); perm(0600); };
source s_net { syslog(ip(0.0.0.0) transport("tcp") port(514)); };
destination d_doc { file("/usr/share/docassemble/log/docassemble.log"); };
filter f_doc { program("docassemble"); };
log { source(s_net); filter(f_doc); destination(d_doc); };
`
	// appConf reconnects after 2 seconds in place of 60, so that the test ends.
	appConf = `@version: 3.38
options { time-reopen(2); use-fqdn(no); };
source s_doc { file("/usr/share/docassemble/log/docassemble.log" program-override("docassemble") flags(no-parse) default-priority(debug) follow-freq(1)); };
destination d_net { syslog("127.0.0.1" transport("tcp") port(514)); };
log { source(s_doc); destination(d_net); };
`
)

// newImitation makes a container of this role from the archive of a root folder.
func newImitation(t *testing.T, archive, name, role, syslogConf string) *imitation {
	t.Helper()
	c := &imitation{t: t, name: name, root: filepath.Join(t.TempDir(), name)}
	sh(t, `mkdir $ROOT && tar -C $ROOT -xf $TAR
		mkdir -p $ROOT/usr/share/docassemble/{log,webapp,config} $ROOT/backup $ROOT/var/log/supervisor $ROOT/run/docassemble
		chroot $ROOT chown www-data:www-data /usr/share/docassemble/log`, "TAR="+archive, "ROOT="+c.root)
	for file, content := range map[string]string{
		"etc/supervisor/supervisord.conf":                supervisorConf,
		"usr/share/docassemble/webapp/initialize.sh":     initializeScript,
		"usr/share/docassemble/webapp/run-syslogng.sh":   oldScript,
		"usr/share/docassemble/webapp/run-nginx.sh":      nginxScript,
		"usr/share/docassemble/webapp/run-uwsgi.sh":      writerScript,
		"usr/share/docassemble/config/nginx-log.dist":    nginxLogSite,
		"usr/share/docassemble/config/config.yml":        "debug: True\nlog server: 127.0.0.1\n",
		"etc/syslog-ng/syslog-ng.conf":                   syslogConf,
		"usr/share/docassemble/webapp/run-syslogng.orig": oldScript,
	} {
		c.write(file, content)
	}
	c.cmd = exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "chroot", c.root, "bash", "-c",
		"mount -t proc proc /proc; exec supervisord -n -c /etc/supervisor/supervisord.conf")
	c.cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "CONTAINERROLE=" + role, "HOME=/root"}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return c
}

func (c *imitation) write(file, content string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.root, file), []byte(content), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// install is what the kit says: the script, the programs, and in the log
// container the empty site and the list of logrotate.
func (c *imitation) install(binaries string) {
	c.t.Helper()
	sh(c.t, `cp $BIN/dalogd $BIN/dalogfwd $ROOT/usr/local/bin/
		cp ../contrib/docassemble/run-syslogng.sh $ROOT/usr/share/docassemble/webapp/run-syslogng.sh
		cp ../contrib/docassemble/nginx-log.dist $ROOT/usr/share/docassemble/config/nginx-log.dist`, "BIN="+binaries, "ROOT="+c.root)
}

// remove is the way back.
func (c *imitation) remove() {
	c.write("usr/share/docassemble/webapp/run-syslogng.sh", oldScript)
	c.write("usr/share/docassemble/config/nginx-log.dist", nginxLogSite)
}

func (c *imitation) start() {
	c.t.Helper()
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		c.cmd.Wait()
		if c.t.Failed() {
			out, _ := exec.Command("tail", "-n", "40", filepath.Join(c.root, "var/log/supervisor/syslogng.log"), filepath.Join(c.root, "var/log/supervisor/supervisord.log")).CombinedOutput()
			c.t.Logf("%s:\n%s", c.name, out)
		}
	})
	c.wait("it is ready", func() bool {
		_, err := os.Stat(filepath.Join(c.root, "run/docassemble/ready"))
		return err == nil
	})
}

// stop ends the container as docker does, in supervisor's order.
func (c *imitation) stop() {
	c.t.Helper()
	c.inside("kill -TERM $(cat /run/supervisord.pid)")
	done := make(chan struct{})
	go func() { c.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		c.t.Fatalf("%s does not stop", c.name)
	}
}

// inside runs a script in the container's processes and mounts.
func (c *imitation) inside(script string) string {
	c.t.Helper()
	out, err := exec.Command("sh", "-c", "cat /proc/"+strconv.Itoa(c.cmd.Process.Pid)+"/task/*/children").Output()
	if err != nil || len(strings.Fields(string(out))) == 0 {
		c.t.Fatalf("%s does not run: %v", c.name, err)
	}
	return sh(c.t, `nsenter --target `+strings.Fields(string(out))[0]+` --mount --pid --root --wd=/ /bin/bash -c "$SCRIPT"`, "SCRIPT="+script)
}

func (c *imitation) ctl(args string) string {
	c.t.Helper()
	return c.inside("supervisorctl -c /etc/supervisor/supervisord.conf " + args + " 2>&1 || true")
}

// wait polls for what comes within seconds.
func (c *imitation) wait(what string, ok func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: waited in vain: %s", c.name, what)
		}
	}
}

var numbered = regexp.MustCompile(`docassemble: number (\d+) at (\d+)\.$`)

// counts are how often each number is in the files, and when it was written.
func counts(t *testing.T, files ...string) (times map[int]int, when map[int]int64) {
	t.Helper()
	times, when = map[int]int{}, map[int]int64{}
	for _, file := range files {
		read := []string{"cat", file}
		if strings.HasSuffix(file, ".zst") {
			read = []string{"zstd", "-dc", file}
		}
		out, err := exec.Command(read[0], read[1:]...).Output()
		if err != nil {
			t.Fatalf("%v: %v", read, err)
		}
		for line := range strings.Lines(string(out)) {
			if m := numbered.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
				n, _ := strconv.Atoi(m[1])
				at, _ := strconv.ParseInt(m[2], 10, 64)
				times[n]++
				when[n] = at
			}
		}
	}
	return times, when
}

func (c *imitation) logs(pattern string) []string {
	files, _ := filepath.Glob(filepath.Join(c.root, "usr/share/docassemble/log", pattern))
	return files
}

// M1, M1b by the same means, M2, M3 and the way back, under load: what is missing
// in the central file after each switch lies within the moments in which one of
// the syslog-ng sides was down, and nothing is missing at all, and nothing there
// twice, once both sides are dalog.
func TestDocassembleKit(t *testing.T) {
	need(t, "unshare", "nsenter", "debootstrap", "zstd")
	if ports := sh(t, "ss -Hltn '( sport = :514 or sport = :8080 or sport = :8082 )'"); ports != "" {
		t.Skipf("ports are taken: %s", ports)
	}
	binaries := t.TempDir()
	sh(t, "cd .. && CGO_ENABLED=0 go build -tags timetzdata -o $BIN/ ./cmd/dalogd ./cmd/dalogfwd", "BIN="+binaries)
	archive := docassembleRoot(t)
	log := newImitation(t, archive, "log", "log:cron", centralConf)
	app := newImitation(t, archive, "app", "web:celery", appConf)
	log.start()
	app.start()

	local := func() (times map[int]int, when map[int]int64) { return counts(t, app.logs("docassemble.log*")...) }
	arrived := func() map[int]int {
		times, _ := counts(t, append(log.logs("docassemble.log"), log.logs("docassemble.log.d/*")...)...)
		return times
	}
	// settle waits until what is written now has arrived, and returns the last
	// number that was written before.
	settle := func(c *imitation, what string) int {
		t.Helper()
		times, _ := local()
		last := 0
		for n := range times {
			last = max(last, n)
		}
		c.wait(what+": the lines arrive", func() bool { return arrived()[last] > 0 })
		return last
	}
	type window struct {
		what     string
		from, to int64
	}
	var windows []window // in which a syslog-ng side was switched
	during := func(what string, f func()) {
		t.Helper()
		from := time.Now().Unix() - 3 // what syslog-ng has read and not written
		f()
		settle(app, what)
		windows = append(windows, window{what, from, time.Now().Unix() + 1})
	}
	settle(app, "syslog-ng on both sides")
	during("restart of syslog-ng", func() { log.ctl("restart syslogng") })

	during("M1: dalogd, old forwarder", func() {
		log.ctl("stop syslogng")
		log.install(binaries)
		log.ctl("restart nginx")
		log.ctl("start syslogng")
	})
	page := log.inside("curl -sf http://127.0.0.1:8080/; curl -sf 'http://127.0.0.1:8082/docassemble.log?n=1'; curl -sf http://127.0.0.1:8082/listlog/health_check?ready=1; stat -c '%U:%G %a' /usr/share/docassemble/log/docassemble.log; for p in /proc/[0-9]*; do case $(readlink $p/exe) in */dalogd) stat -c 'dalogd runs as %U' $p;; esac; done")
	for _, want := range []string{"docassemble.log\n", "docassemble: number ", "OK", "www-data:www-data 600\n", "dalogd runs as www-data\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("M1: no %q in\n%s", want, page)
		}
	}

	during("M3: dalogfwd, dalogd", func() {
		app.ctl("stop syslogng")
		app.install(binaries)
		app.ctl("start syslogng")
	})
	// From here on both sides are dalog.
	first := settle(app, "both are dalog")
	for range 3 {
		log.ctl("restart syslogng")
		app.ctl("restart syslogng")
	}
	app.inside("logrotate -f -s /tmp/rotated " + kitLogrotate(app))
	log.ctl("signal KILL syslogng")
	log.ctl("start syslogng")
	app.ctl("signal KILL syslogng")
	app.ctl("start syslogng")
	last := settle(app, "restarts and kills of both")
	got := arrived()
	for n := first + 1; n <= last; n++ {
		if got[n] != 1 {
			t.Errorf("both dalog: line %d is there %d times", n, got[n])
		}
	}
	t.Logf("both dalog: %d lines over 6 restarts, 2 kills and a rotation: none missing, none twice", last-first)

	during("M2: dalogfwd, old server", func() {
		log.ctl("stop syslogng")
		log.remove()
		log.ctl("restart nginx")
		app.ctl("stop syslogng")
		app.inside("mkdir -p /etc/dalog; echo 'protocol: syslog' >/etc/dalog/dalogfwd.yaml")
		log.ctl("start syslogng")
		app.ctl("start syslogng")
	})
	during("back: syslog-ng on both sides", func() {
		app.ctl("stop syslogng")
		app.remove()
		app.ctl("start syslogng")
	})
	list := log.inside("curl -sf http://127.0.0.1:8080/; ls -la /usr/share/docassemble/log")
	if !strings.Contains(list, "docassemble.log") {
		t.Errorf("after the way back: %s", list)
	}

	// docassemble's order of stop: the forwarder delivers what the writers wrote
	// last, the server has it on the disk.
	app.stop()
	written, when := local()
	log.stop()
	got = arrived()
	missing := map[string][]int{}
	for n := range written {
		if got[n] > 0 {
			continue
		}
		why := ""
		for _, w := range windows {
			if when[n] >= w.from && when[n] <= w.to {
				why = w.what
			}
		}
		switch {
		case why == "" && when[n] < windows[len(windows)-1].to:
			t.Errorf("line %d, written at %d, is missing, and nothing was switched then", n, when[n])
		case strings.HasPrefix(why, "M3"):
			t.Errorf("%s: line %d is missing", why, n)
		default:
			missing[why] = append(missing[why], n)
		}
	}
	t.Logf("%d lines written", len(written))
	for why, lines := range missing {
		slices.Sort(lines)
		first, last := lines[0], lines[len(lines)-1]
		t.Logf("%s: %d lines missing, from %d (written at %d) to %d (%d); %v", why, len(lines), first, when[first], last, when[last], windows)
	}
}

// kitLogrotate writes the kit's list for app servers into the container.
func kitLogrotate(c *imitation) string {
	content, err := os.ReadFile("../contrib/docassemble/docassemble-app.logrotate")
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("etc/logrotate.d/docassemble-app", string(content))
	return "/etc/logrotate.d/docassemble-app"
}
