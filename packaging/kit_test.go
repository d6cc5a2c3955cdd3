package main

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

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

// size is that of the file that the web app writes.
func (c *imitation) size() int64 {
	info, err := os.Stat(filepath.Join(c.root, "usr/share/docassemble/log/docassemble.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	return info.Size()
}

// migration is an app server that writes numbered lines, and a log server.
type migration struct {
	*testing.T
	app, log *imitation
	steps    []step
}

// step is one thing that was done, and the last line that had arrived by then.
type step struct {
	what string
	last int
	// loses: lines may be missing, because a connection of syslog-ng's ended,
	// which it does not notice in time.
	loses bool
	// again: whoever follows the files from now on begins with them anew.
	again    bool
	from, to int64 // seconds
}

func (m *migration) written() (times map[int]int, when map[int]int64) {
	return counts(m.T, m.app.logs("docassemble.log*")...)
}

func (m *migration) arrived() map[int]int {
	times, _ := counts(m.T, append(m.log.logs("docassemble.log"), m.log.logs("docassemble.log.d/*")...)...)
	return times
}

func (m *migration) lastWritten() (last int) {
	times, _ := m.written()
	for n := range times {
		last = max(last, n)
	}
	return last
}

// do does a step of the migration under load, and waits until what is written by
// then has arrived.
func (m *migration) do(s step, f func()) {
	m.Helper()
	first := 1
	if len(m.steps) > 0 {
		first = m.steps[len(m.steps)-1].last + 1
	}
	s.from = time.Now().Unix() - 3 // what syslog-ng had read and not written
	f()
	m.app.wait(s.what+": lines are written", func() bool { return m.lastWritten() > first+100 })
	s.last = m.lastWritten()
	m.app.wait(s.what+": the lines arrive", func() bool { return m.arrived()[s.last] > 0 })
	s.to = time.Now().Unix() + 1
	m.steps = append(m.steps, s)
	twice, arrived := 0, m.arrived()
	for n := first; n <= s.last; n++ {
		if arrived[n] > 1 {
			twice++
		}
	}
	if twice > 0 && !s.again {
		m.Errorf("%s: %d lines are there more than once", s.what, twice)
	}
	m.Logf("%-60s %5d lines, %4d of them more than once", s.what, s.last-first+1, twice)
}

// judge finds the step to which each missing line belongs.
func (m *migration) judge() {
	m.Helper()
	written, when := m.written()
	arrived := m.arrived()
	missing := map[string]int{}
	for n := range written {
		if arrived[n] > 0 {
			continue
		}
		of := step{what: "the stop of all", loses: true, to: math.MaxInt64}
		if i := slices.IndexFunc(m.steps, func(s step) bool { return n <= s.last }); i >= 0 {
			of = m.steps[i]
		}
		missing[of.what]++
		if !of.loses || when[n] < of.from || when[n] > of.to {
			m.Errorf("%s: line %d, written at %d, is missing", of.what, n, when[n])
		}
	}
	m.Logf("%d lines in all; missing %v", len(written), missing)
}

// M1, M1b, M2, M3 and the way back of docs/docassemble.md, under load. Lines are
// missing only where a connection to or from a syslog-ng is cut that is not
// dalogd's or dalogfwd's doing: none with dalogfwd, and once both sides are dalog
// each is there exactly once.
func TestDocassembleKit(t *testing.T) {
	need(t, "unshare", "nsenter", "debootstrap", "zstd", "ip")
	binaries := t.TempDir()
	sh(t, "cd .. && CGO_ENABLED=0 go build -tags timetzdata -o $BIN/ ./cmd/dalogd ./cmd/dalogfwd", "BIN="+binaries)
	archive := docassembleRoot(t)
	const logAddress, aloneAddress = "10.77.1.1", "10.77.2.1"
	logNet, appNet, aloneNet := newNetwork(t), newNetwork(t), newNetwork(t)
	logNet.join(t, appNet, logAddress, "10.77.1.2")
	aloneNet.join(t, appNet, aloneAddress, "10.77.2.2")
	log := newImitation(t, archive, logNet, "log", "log:cron", centralConf)
	app := newImitation(t, archive, appNet, "app", "web:celery", "")
	app.logServer(logAddress)
	log.start()
	app.start()
	m := &migration{T: t, app: app, log: log}

	m.do(step{what: "syslog-ng on both sides"}, func() {})
	m.do(step{what: "syslog-ng on both sides: the log server's restarted", loses: true}, func() { log.ctl("restart syslogng") })

	toOldServer := func() {
		app.ctl("stop syslogng")
		app.install(binaries)
		app.inside("mkdir -p /etc/dalog; echo 'protocol: syslog' >/etc/dalog/dalogfwd.yaml")
		app.ctl("start syslogng")
	}
	backOnApp := func() {
		app.ctl("stop syslogng")
		app.remove()
		app.inside("rm -f /var/lib/syslog-ng/syslog-ng.persist")
		app.ctl("start syslogng")
	}
	m.do(step{what: "M2: dalogfwd, old server", again: true}, toOldServer)
	m.do(step{what: "M2 and back", again: true}, backOnApp)

	m.do(step{what: "M1: dalogd, old forwarder", loses: true}, func() {
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

	volume := filepath.Join(log.root, "usr/share/docassemble/log")
	var own *alone
	m.do(step{what: "M1b: dalogd in a container of its own, old forwarder", loses: true}, func() {
		log.ctl("stop syslogng")
		own = startAlone(t, aloneNet, binaries, volume)
		app.logServer(aloneAddress)
		app.ctl("restart syslogng")
	})
	if page := app.inside("curl -sf http://" + aloneAddress + ":8082/; curl -sf http://" + aloneAddress + ":8080/listlog/health_check?ready=1"); !strings.Contains(page, "docassemble.log\n") || !strings.Contains(page, "OK") {
		t.Errorf("M1b: the app server sees\n%s", page)
	}

	var position int64 // of syslog-ng in the file
	m.do(step{what: "M3: dalogfwd, dalogd", again: true}, func() {
		app.ctl("stop syslogng")
		position = app.size()
		app.install(binaries)
		app.inside("rm -f /etc/dalog/dalogfwd.yaml")
		app.ctl("start syslogng")
	})
	m.do(step{what: "both dalog: dalogd's container ended, made anew, killed"}, func() {
		own.signal(15)
		own = startAlone(t, aloneNet, binaries, volume)
		own.signal(9)
		own = startAlone(t, aloneNet, binaries, volume)
	})
	m.do(step{what: "both dalog: M1b and back"}, func() {
		own.signal(15)
		log.ctl("start syslogng")
		app.logServer(logAddress)
		app.ctl("restart syslogng")
	})
	m.do(step{what: "both dalog: restarts"}, func() {
		for range 3 {
			log.ctl("restart syslogng")
			app.ctl("restart syslogng")
		}
	})
	m.do(step{what: "both dalog: rotation"}, func() { app.inside("logrotate -f -s /tmp/rotated " + kitLogrotate(app)) })
	m.do(step{what: "both dalog: kills"}, func() {
		log.ctl("signal KILL syslogng")
		log.ctl("start syslogng")
		app.ctl("signal KILL syslogng")
		app.ctl("start syslogng")
	})

	m.do(step{what: "back on the log server: dalogfwd, old server", again: true}, func() {
		log.ctl("stop syslogng")
		log.remove()
		log.ctl("restart nginx")
		log.ctl("start syslogng")
		toOldServer()
	})
	// The file has new content since syslog-ng followed it, and grows past the offset
	// at which that stopped while nobody follows it. With its old positions syslog-ng
	// would go on there, and what is before that would be lost.
	m.do(step{what: "back: syslog-ng on both sides", again: true}, func() {
		app.wait("the file is nearly as large as it was", func() bool { return app.size() > position-20_000 })
		app.ctl("stop syslogng")
		t.Logf("dalogfwd stopped at about %d, syslog-ng had stopped at %d", app.size(), position)
		app.wait("the file is larger than it was", func() bool { return app.size() > position+2000 })
		backOnApp()
	})
	list := log.inside("curl -sf http://127.0.0.1:8080/; ls -la /usr/share/docassemble/log")
	if !strings.Contains(list, "docassemble.log") {
		t.Errorf("after the way back: %s", list)
	}

	// docassemble's order of stop: the forwarder delivers what the writers wrote
	// last, the server has it on the disk.
	app.stop()
	log.stop()
	m.judge()
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
