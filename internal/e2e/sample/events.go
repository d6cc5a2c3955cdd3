package sample

import (
	"fmt"
	"strings"
	"time"
)

const (
	celeryTime = "2006-01-02 15:04:05,000"
	httpdTime  = "02/Jan/2006:15:04:05 -0700"
	nginxTime  = "2006/01/02 15:04:05"
)

func (s *Server) client() string {
	return pick(s, fmt.Sprintf("203.0.113.%d", 1+s.rnd.IntN(250)), fmt.Sprintf("198.51.100.%d", 1+s.rnd.IntN(250)), fmt.Sprintf("2001:db8:7::%x", 1+s.rnd.IntN(4000)))
}

func (s *Server) interview() string {
	return pick(s,
		"docassemble.tenants:data/questions/repairs.yml",
		"docassemble.tenants:data/questions/deposit.yml",
		"docassemble.wills:data/questions/simple_will.yml",
		"docassemble.fees:data/questions/waiver.yml",
		"docassemble.namechange:data/questions/nombre.yml")
}

func (s *Server) user() string {
	return pick(s, "anonymous", "anonymous", "anonymous", "clerk@court.example", "ana.lópez@example.org", "navigator7@example.org")
}

func (s *Server) token(n int) string {
	const letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[s.rnd.IntN(len(letters))]
	}
	return string(b)
}

func (s *Server) taskID() string {
	return fmt.Sprintf("%08x-%04x-4%03x-9%03x-%012x", s.rnd.Uint32(), s.rnd.IntN(1<<16), s.rnd.IntN(1<<12), s.rnd.IntN(1<<12), s.rnd.Uint64N(1<<48))
}

// docassemble writes each message on one line, a traceback too.
func (s *Server) docassemble(time.Time) []string {
	message := pick(s,
		"index: answered question in "+fmt.Sprintf("%.2f", s.rnd.Float64())+" seconds",
		"Redirecting to the exit page.",
		"index: dictionary was fetched again after a lock",
		"backend: session "+s.token(8)+" was not found, starting a new one",
		"Could not read field tenant_"+strings.ToLower(s.token(4))+", asking again",
		"sendmail: queued notice of hearing for "+s.user(),
		"pdf: assembled letter_of_demand.pdf, 4 pages, naïve fonts embedded",
		"NameError: name 'land_lord' is not defined In line: if land_lord.is_company:",
		`Traceback (most recent call last):   File "/usr/share/docassemble/local/lib/interview.py", line 2210, in assemble     exec(compiled, answers)   File "<code block>", line 3, in <module> ZeroDivisionError: division by zero `,
		"starting up after "+fmt.Sprintf("%.2f", 5+10*s.rnd.Float64())+" seconds")
	return []string{fmt.Sprintf("docassemble: ip=%s i=%s uid=%s user=%s %s", s.client(), s.interview(), s.token(12), s.user(), message)}
}

func (s *Server) websockets(now time.Time) []string {
	sid := s.token(9)
	return pick(s,
		[]string{"Client connected on observer channel"},
		[]string{sid + ": Sending packet PING data None"},
		[]string{sid + ": Received packet PONG data "},
		[]string{`127.0.0.1 - - [` + now.Format("2006-01-02 15:04:05") + `] "GET /socket.io/?EIO=4&transport=polling HTTP/1.1" 200 241 0.001873`},
		[]string{
			"1",
			"{'type': 'message', 'channel': b'" + sid + "', 'data': b'{\"origin\": \"client\"}'}",
			"  leaving the thread of sid " + sid,
		})
}

func (s *Server) celeryLine(now time.Time, level, process, text string) string {
	return fmt.Sprintf("[%s: %s/%s] %s", now.Format(celeryTime), level, process, text)
}

func (s *Server) worker(now time.Time) []string {
	process := fmt.Sprintf("ForkPoolWorker-%d", 1+s.rnd.IntN(3))
	task := "Task docassemble.webapp.worker." + pick(s, "background_action", "ocr_page", "send_mail") + "[" + s.taskID() + "]"
	switch s.rnd.IntN(5) {
	case 0:
		return s.traceback(s.celeryLine(now, "ERROR", process, task+" raised unexpected: ValueError('no such parcel')"), "ValueError: no such parcel")
	case 1:
		return []string{s.celeryLine(now, "WARNING", process, fmt.Sprintf("background_action: assembling took %.2f seconds", 3*s.rnd.Float64()))}
	case 2:
		return []string{s.celeryLine(now, "INFO", process, fmt.Sprintf("%s succeeded in %.3fs: None", task, 9*s.rnd.Float64()))}
	default:
		return []string{s.celeryLine(now, "INFO", "MainProcess", task+" received")}
	}
}

// traceback is an event of many lines: head, the stack of a task, last.
func (s *Server) traceback(head, last string) []string {
	return []string{
		head,
		"Traceback (most recent call last):",
		`  File "/usr/share/docassemble/local/lib/python3/site-packages/celery/app/trace.py", line 477, in trace_task`,
		"    R = retval = fun(*args, **kwargs)",
		"                 ^^^^^^^^^^^^^^^^^^^^",
		fmt.Sprintf(`  File "/usr/share/docassemble/local/lib/python3/site-packages/docassemble/parcels/lookup.py", line %d, in find`, 20+s.rnd.IntN(200)),
		"    return index[number]",
		"\t# on " + s.Host,
		last,
	}
}

func (s *Server) singleWorker(now time.Time) []string {
	if s.rnd.IntN(6) == 0 {
		return s.traceback(s.celeryLine(now, "WARNING", "MainProcess", "consumer: Connection to broker lost. Trying to re-establish the connection..."), "ConnectionResetError: [Errno 104] Connection reset by peer")
	}
	return []string{s.celeryLine(now, "INFO", "ForkPoolWorker-1", fmt.Sprintf("Task docassemble.webapp.worker.update_packages[%s] succeeded in %.2fs: <ReturnValue>", s.taskID(), 60*s.rnd.Float64()))}
}

func (s *Server) uwsgi(now time.Time) []string {
	if s.rnd.IntN(30) == 0 {
		return []string{
			"Traceback (most recent call last):",
			`  File "/usr/share/docassemble/local/lib/python3/site-packages/docassemble/webapp/run.py", line 9, in <module>`,
			"    import docassemble.parcels",
			"ModuleNotFoundError: No module named 'docassemble.parcels'",
			"unable to load app 0 (mountpoint='/') (callable not found or import error)",
		}
	}
	if s.rnd.IntN(20) == 0 {
		return []string{fmt.Sprintf("spawned uWSGI worker 1 (pid: %d, cores: 6)", 300+s.turn)}
	}
	return []string{fmt.Sprintf("[pid: 412|app: 0|req: %d/%d] %s () {%d vars in %d bytes} [%s] %s => generated %d bytes in %d msecs (HTTP/1.1 200) 9 headers in 611 bytes (1 switches on core %d)",
		s.turn, s.turn, s.client(), 50+s.rnd.IntN(15), 1000+s.rnd.IntN(900), now.Format(time.ANSIC),
		pick(s, "GET /health_check", "POST /interview?i=docassemble.wills%3Asimple_will.yml", "GET /interview?i=docassemble.fees%3Awaiver.yml"),
		200+s.rnd.IntN(30000), 5+s.rnd.IntN(900), s.rnd.IntN(6))}
}

func (s *Server) access(now time.Time) string {
	return fmt.Sprintf(`%s - - [%s] "%s" %d %d "-" "%s"`, s.client(), now.Format(httpdTime),
		pick(s, "GET /interview?i="+s.interview()+" HTTP/1.1", "POST /checkin HTTP/1.1", "GET /static/app/bundle.css HTTP/2.0", "GET /ws/socket.io/?EIO=4&transport=websocket HTTP/1.1", `\x16\x03\x01\x00\xEE\x01`),
		pick(s, 200, 200, 200, 200, 302, 404, 400), 92+s.rnd.IntN(20000),
		pick(s, "Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X)", "ELB-HealthChecker/2.0", "curl/8.9.1"))
}

func (s *Server) nginxAccess(now time.Time) []string { return []string{s.access(now)} }

func (s *Server) nginxError(now time.Time) []string {
	return []string{fmt.Sprintf("%s [%s] 388#388: *%d %s, client: %s, server: forms.example.org", now.Format(nginxTime), pick(s, "error", "warn", "crit"), s.turn,
		pick(s, "upstream timed out (110: Connection timed out) while reading response header from upstream",
			"client intended to send too large body: 31457280 bytes",
			"a client request body is buffered to a temporary file /var/lib/nginx/body/0000000031"), s.client())}
}

func (s *Server) apacheAccess(now time.Time) []string { return []string{s.access(now)} }

func (s *Server) apacheError(now time.Time) []string {
	head := fmt.Sprintf("[%s] [wsgi:error] [pid 81:tid 1409] [remote %s:51122] ", now.Format("Mon Jan 02 15:04:05.000000 2006"), s.client())
	return []string{
		head + "Traceback (most recent call last):",
		head + `  File "/usr/share/docassemble/webapp/docassemble.wsgi", line 9, in <module>`,
		head + "ImportError: cannot import name 'parcels'",
	}
}

func (s *Server) supervisor(now time.Time) []string {
	return []string{now.Format(celeryTime) + " " + pick(s,
		"INFO spawned: 'uwsgi' with pid "+fmt.Sprint(300+s.turn),
		"INFO success: celery entered RUNNING state, process has stayed up for > than 5 seconds (startsecs)",
		"WARN exited: websockets (terminated by SIGKILL; not expected)",
		"INFO reaped unknown pid "+fmt.Sprint(300+s.turn)+" (exit status 0)")}
}
