// Package sample invents what the app servers of a docassemble cluster log:
// the same shapes, the same mixture, none of the content. What a Server says is
// a function of its seed and of the times it is asked for.
package sample

import (
	"math/rand/v2"
	"time"
)

// Source is a log file of an app server and what it is called on the wire.
type Source struct {
	File     string // below the server's root, as in a docassemble container
	Program  string
	Severity string
	Central  string // the file on the central server where its lines go
	event    func(*Server, time.Time) []string
	weight   int
}

// Sources are the files that a docassemble app server forwards.
var Sources = []Source{
	{"usr/share/docassemble/log/docassemble.log", "docassemble", "debug", "docassemble.log", (*Server).docassemble, 30},
	{"usr/share/docassemble/log/websockets.log", "websockets", "debug", "websockets.log", (*Server).websockets, 8},
	{"usr/share/docassemble/log/worker.log", "celery", "debug", "worker.log", (*Server).worker, 14},
	{"usr/share/docassemble/log/single_worker.log", "celerysingle", "debug", "single_worker.log", (*Server).singleWorker, 4},
	{"usr/share/docassemble/log/uwsgi.log", "uwsgi", "debug", "uwsgi.log", (*Server).uwsgi, 16},
	{"var/log/nginx/access.log", "nginx", "debug", "access.log", (*Server).nginxAccess, 20},
	{"var/log/nginx/error.log", "nginx", "error", "error.log", (*Server).nginxError, 4},
	{"var/log/apache2/access.log", "apache", "debug", "apache_access.log", (*Server).apacheAccess, 0},
	{"var/log/apache2/error.log", "apache", "error", "apache_error.log", (*Server).apacheError, 0},
	{"var/log/supervisor/supervisord.log", "supervisor", "info", "supervisor.log", (*Server).supervisor, 4},
}

// Server is one app server. Its methods are for one goroutine at a time.
type Server struct {
	Host string
	rnd  *rand.Rand
	turn int
}

// NewServer returns a server that logs the same for the same seed and times.
func NewServer(host string, seed uint64) *Server {
	return &Server{Host: host, rnd: rand.New(rand.NewPCG(seed, seed))}
}

// Event is the next thing to log in the source: one line, or the lines of one
// event that belong together. None is empty, none holds a line end.
func (s *Server) Event(source *Source, now time.Time) []string {
	s.turn++
	return source.event(s, now)
}

// Next is the next thing that happens on the server, and where. An app server
// behind nginx runs no Apache, so nothing happens there.
func (s *Server) Next(now time.Time) (*Source, []string) {
	total := 0
	for i := range Sources {
		total += Sources[i].weight
	}
	n := s.rnd.IntN(total)
	for i := range Sources {
		if n -= Sources[i].weight; n < 0 {
			return &Sources[i], s.Event(&Sources[i], now)
		}
	}
	panic("the weights do not add up")
}

func pick[T any](s *Server, of ...T) T { return of[s.rnd.IntN(len(of))] }
