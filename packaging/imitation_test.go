package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// imitation is a folder tree that imitates docassemble's container: Debian's
// supervisor with docassemble's program names and priorities, nginx with the log
// site, syslog-ng, logrotate, www-data, and docassemble's order of start and stop.
// It has processes of its own and the network that it is put into.
type imitation struct {
	t    *testing.T
	name string
	root string
	net  *network
	cmd  *exec.Cmd
}

// network is a network namespace, which lasts as long as the test.
type network struct{ pid string }

func newNetwork(t *testing.T) *network {
	t.Helper()
	cmd := exec.Command("unshare", "--net", "bash", "-c", strings.TrimSpace(loopback)+`
		echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start # as docker does
		echo up; exec sleep infinity`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Fatal("no network: ", err)
	}
	return &network{strconv.Itoa(cmd.Process.Pid)}
}

// command runs a program in it.
func (n *network) command(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=/proc/" + n.pid + "/ns/net", "--"}, args...)...)
}

// join lays a wire between two of them, with an address at each end.
func (n *network) join(t *testing.T, other *network, mine, theirs string) {
	t.Helper()
	sh(t, `ip link add da$A type veth peer name db$A
		ip link set da$A netns $A; ip link set db$A netns $B
		nsenter --net=/proc/$A/ns/net sh -c "ip address add $MINE/24 dev da$A; ip link set da$A up"
		nsenter --net=/proc/$B/ns/net sh -c "ip address add $THEIRS/24 dev db$A; ip link set db$A up"`,
		"A="+n.pid, "B="+other.pid, "MINE="+mine, "THEIRS="+theirs)
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
destination d_net { syslog("LOGSERVER" transport("tcp") port(514)); };
log { source(s_doc); destination(d_net); };
`
)

// newImitation makes a container of this role from the archive of a root folder.
func newImitation(t *testing.T, archive string, net *network, name, role, syslogConf string) *imitation {
	t.Helper()
	c := &imitation{t: t, name: name, net: net, root: filepath.Join(t.TempDir(), name)}
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
		"usr/share/docassemble/config/config.yml":        "debug: True\n",
		"etc/syslog-ng/syslog-ng.conf":                   syslogConf,
		"usr/share/docassemble/webapp/run-syslogng.orig": oldScript,
	} {
		c.write(file, content)
	}
	c.cmd = net.command("unshare", "--mount", "--pid", "--fork", "--kill-child", "chroot", c.root, "bash", "-c",
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

// logServer sets where an app server sends its lines to.
func (c *imitation) logServer(address string) {
	c.write("usr/share/docassemble/config/config.yml", "debug: True\nlog server: "+address+"\n")
	c.write("etc/syslog-ng/syslog-ng.conf", strings.ReplaceAll(appConf, "LOGSERVER", address))
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

// first is the first process of the container that cmd runs.
func first(t *testing.T, cmd *exec.Cmd) (pid string) {
	t.Helper()
	out, err := exec.Command("sh", "-c", "cat /proc/"+strconv.Itoa(cmd.Process.Pid)+"/task/*/children").Output()
	if err != nil || len(strings.Fields(string(out))) == 0 {
		t.Fatalf("it does not run: %v", err)
	}
	return strings.Fields(string(out))[0]
}

// inside runs a script in the container's processes and mounts.
func (c *imitation) inside(script string) string {
	c.t.Helper()
	return sh(c.t, `nsenter --target `+first(c.t, c.cmd)+` --mount --net --pid --root --wd=/ /bin/bash -c "$SCRIPT"`, "SCRIPT="+script)
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

// alone is dalogd in a container of its own, as the image has it: nothing else in
// the root folder, a user without rights, and the volume with the logs.
type alone struct {
	t    *testing.T
	cmd  *exec.Cmd
	said string
}

func startAlone(t *testing.T, net *network, binaries, volume string) *alone {
	t.Helper()
	root := t.TempDir()
	d := &alone{t: t, said: filepath.Join(root, "said")}
	sh(t, "mkdir -p $ROOT/r/{bin,proc,dev,usr/share/docassemble/log} && cp $BIN/dalogd $ROOT/r/bin/", "ROOT="+root, "BIN="+binaries)
	d.cmd = net.command("unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-ec", `
		mount --bind "$2" "$1/r/usr/share/docassemble/log"; mount -t proc proc "$1/r/proc"; mount --rbind /dev "$1/r/dev"
		exec chroot --userspec=33:33 --groups=33 "$1/r" /bin/dalogd 2>"$1/said"`, "dalogd", root, volume)
	d.cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DALOGD_READY_FILE=none"}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL); d.cmd.Wait() })
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		said, _ := os.ReadFile(d.said)
		if strings.Contains(string(said), "msg=ready") {
			return d
		}
		if time.Now().After(deadline) {
			t.Fatalf("dalogd in a container of its own does not get ready: %s", said)
		}
	}
}

// signal ends it, and returns when it has ended.
func (d *alone) signal(sig syscall.Signal) {
	d.t.Helper()
	pid, _ := strconv.Atoi(first(d.t, d.cmd))
	if err := syscall.Kill(pid, sig); err != nil {
		d.t.Fatal(err)
	}
	d.cmd.Wait()
	if said, _ := os.ReadFile(d.said); sig == syscall.SIGTERM && !strings.Contains(string(said), "msg=ended") {
		d.t.Errorf("dalogd in a container of its own has not ended in order: %s", said)
	}
}
