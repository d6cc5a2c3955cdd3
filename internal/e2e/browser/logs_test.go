package browser

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/proc"
	"github.com/dalog-project/dalog/internal/e2e/sample"
	"github.com/dalog-project/dalog/internal/e2e/startlog"
)

const patience = time.Minute // other tests may keep the machine busy

// logs is a log folder with an invented past.
type logs struct {
	t     testing.TB
	dir   string
	files map[string]*bufio.Writer
	open  []*os.File // of files
}

func newLogs(t testing.TB) *logs {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	return &logs{t: t, dir: filepath.Join(dir, "log"), files: map[string]*bufio.Writer{}}
}

// line writes a stored line, as dalogd writes it.
func (l *logs) line(file string, at time.Time, host, program, text string) {
	w := l.files[file]
	if w == nil {
		require.NoError(l.t, os.MkdirAll(l.dir, 0o755))
		f, err := os.OpenFile(filepath.Join(l.dir, file), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(l.t, err)
		l.open = append(l.open, f)
		w = bufio.NewWriterSize(f, 1<<20)
		l.files[file] = w
	}
	fmt.Fprintf(w, "%s %s %s: %s\n", at.Format("2006-01-02T15:04:05.000000-07:00"), host, program, text)
}

// flush writes what waits, and closes the files: dalogd leaves a part alone that
// somebody else has open.
func (l *logs) flush() {
	for _, w := range l.files {
		require.NoError(l.t, w.Flush())
	}
	for _, f := range l.open {
		require.NoError(l.t, f.Close())
	}
	clear(l.files)
	l.open = nil
}

// The session that is looked for, and the host that has fallen silent.
const (
	sessionUID  = "Qx7rTn2LwPzV"
	sessionUser = "pat@example.org"
	sessionIP   = "192.0.2.77"
	silentHost  = "web3"
)

// history writes what three app servers did until now, and the story of one
// session in it.
func (l *logs) history(past time.Duration) {
	now := time.Now()
	begin := now.Add(-past)
	rnd := rand.New(rand.NewPCG(7, 7))
	servers := []*sample.Server{sample.NewServer("web1", 1), sample.NewServer("web2", 2), sample.NewServer(silentHost, 3)}
	story := sessionStory(now.Add(-20 * time.Minute))
	for at := begin; at.Before(now); {
		// More by day than by night, and a bad quarter of an hour.
		busy := 1.0 + 0.8*float64(at.Minute()%30)/30
		at = at.Add(time.Duration(rnd.ExpFloat64() / busy * float64(past) / 12_000))
		server := servers[rnd.IntN(len(servers))]
		if server.Host == silentHost && now.Sub(at) < 40*time.Minute {
			continue
		}
		source, lines := server.Next(at)
		if age := now.Sub(at); age > 50*time.Minute && age < 62*time.Minute && rnd.IntN(3) == 0 {
			source, lines = &sample.Sources[2], server.Event(&sample.Sources[2], at)
		}
		for len(story) > 0 && story[0].at.Before(at) {
			s := story[0]
			l.line(s.file, s.at, "web2", s.program, s.text)
			story = story[1:]
		}
		for i, text := range lines {
			l.line(source.Central, at.Add(time.Duration(i)*time.Microsecond), server.Host, source.Program, text)
		}
	}
	l.flush()
}

type told struct {
	at                  time.Time
	file, program, text string
}

func sessionStory(at time.Time) []told {
	who := "docassemble: ip=" + sessionIP + " i=docassemble.lease:data/questions/main.yml uid=" + sessionUID + " user=" + sessionUser + " "
	after := func(s int) time.Time { return at.Add(time.Duration(s) * time.Second) }
	return []told{
		{after(0), "access.log", "nginx", sessionIP + ` - - [` + at.Format("02/Jan/2006:15:04:05 -0700") + `] "GET /interview?i=docassemble.lease:data/questions/main.yml HTTP/1.1" 200 15822 "-" "Mozilla/5.0 (X11; Linux x86_64)"`},
		{after(1), "docassemble.log", "docassemble", who + "index: interview started"},
		{after(30), "docassemble.log", "docassemble", who + `{"event":"answer","field":"landlord.name","seconds":0.41,"ok":true,"tags":["lease","intake"]}`},
		{after(62), "worker.log", "celery", "[" + after(62).Format("2006-01-02 15:04:05,000") + ": INFO/MainProcess] Task docassemble.webapp.worker.background_action[0d6b7e52-4f1c-4c0e-9d55-2f6f7a1b9c3e] received uid=" + sessionUID},
		{after(63), "docassemble.log", "docassemble", who + `Traceback (most recent call last):   File "/usr/share/docassemble/local3.14/lib/python3.14/site-packages/docassemble/base/parse.py", line 8120, in assemble     exec(compiled, user_dict)   File "<code block>", line 1, in <module>     landlrod.name.first NameError: name 'landlrod' is not defined `},
		{after(64), "access.log", "nginx", sessionIP + ` - - [` + after(64).Format("02/Jan/2006:15:04:05 -0700") + `] "POST /interview HTTP/1.1" 501 3321 "https://forms.example.org/interview" "Mozilla/5.0 (X11; Linux x86_64)"`},
		{after(70), "docassemble.log", "docassemble", who + "error page shown: שגיאה בטופס · خطأ في النموذج"},
	}
}

// daemon is a running dalogd.
type daemon struct {
	*proc.Process
	url, syslog string
}

func (l *logs) serve(args ...string) *daemon {
	l.t.Helper()
	l.flush()
	require.NoError(l.t, os.MkdirAll(l.dir, 0o755))
	output := newStartLog()
	cmd := exec.Command(dalogdPath, append([]string{"--log-dir", l.dir, "--syslog", "127.0.0.1:0", "--http", "127.0.0.1:0", "--user", "root"}, args...)...)
	cmd.Stdout, cmd.Stderr = output, output
	p, err := proc.Start(cmd)
	require.NoError(l.t, err)
	l.t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			l.t.Error(err)
		}
		if l.t.Failed() {
			l.t.Logf("dalogd: %s", output.tail())
		}
	})
	select {
	case <-output.ready:
	case <-p.Done():
		l.t.Fatalf("dalogd does not start: %s", output.tail())
	case <-time.After(patience):
		l.t.Fatalf("dalogd is not ready: %s", output.tail())
	}
	return &daemon{p, "http://" + output.addr("http"), output.addr("tcp")}
}

// startLog reads what dalogd says of itself.
type startLog struct {
	ready chan struct{}
	mu    sync.Mutex
	text  strings.Builder   // under mu
	addrs map[string]string // under mu
	rest  string            // under mu
	isUp  bool              // under mu
}

func newStartLog() *startLog {
	return &startLog{ready: make(chan struct{}), addrs: map[string]string{}}
}

func (s *startLog) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	s.rest += string(b)
	for {
		line, rest, ok := strings.Cut(s.rest, "\n")
		if !ok {
			return len(b), nil
		}
		s.rest = rest
		if kind, addr, ok := startlog.Listening(line); ok {
			s.addrs[kind] = addr
		}
		if startlog.Ready(line) && !s.isUp {
			s.isUp = true
			close(s.ready)
		}
	}
}

func (s *startLog) addr(kind string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addrs[kind]
}

func (s *startLog) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.text.String()
	return text[max(0, len(text)-4000):]
}

// sender sends lines to dalogd over one connection.
type sender struct {
	t    testing.TB
	conn net.Conn
	w    *bufio.Writer
}

func (d *daemon) sender(t testing.TB) *sender {
	t.Helper()
	conn, err := net.DialTimeout("tcp", d.syslog, patience)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &sender{t, conn, bufio.NewWriter(conn)}
}

func (s *sender) send(host, program, severity, text string) {
	pri := map[string]int{"debug": 15, "info": 14, "error": 11}[severity]
	m := fmt.Sprintf("<%d>1 %s %s %s - - - %s\n", pri, time.Now().Format("2006-01-02T15:04:05.000000-07:00"), host, program, text)
	_, err := fmt.Fprintf(s.w, "%d %s", len(m), m)
	if err == nil && s.w.Buffered() > 32<<10 {
		err = s.w.Flush()
	}
	if err != nil {
		s.t.Error("sending:", err)
	}
}

func (s *sender) flush() {
	if err := s.w.Flush(); err != nil {
		s.t.Error("sending:", err)
	}
}

// keepWriting lets two app servers go on, so many lines a second, until stop is
// called or the test ends; stop returns how many were sent.
func (l *logs) keepWriting(d *daemon, perSecond int) (stop func() int) {
	s := d.sender(l.t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	sent := 0
	go func() {
		defer close(done)
		servers := []*sample.Server{sample.NewServer("web1", 11), sample.NewServer("web2", 12)}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		begun := time.Now()
		for ctx.Err() == nil {
			for due := int(time.Since(begun).Seconds() * float64(perSecond)); sent < due; {
				server := servers[sent%2]
				source, lines := server.Next(time.Now())
				for _, line := range lines {
					s.send(server.Host, source.Program, source.Severity, line)
					sent++
				}
			}
			s.flush()
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	stop = func() int {
		cancel()
		<-done
		return sent
	}
	l.t.Cleanup(func() { stop() })
	return stop
}

// get is what a program is answered.
func (d *daemon) get(t testing.TB, path string) *http.Response {
	t.Helper()
	resp, err := http.Get(d.url + path)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}
