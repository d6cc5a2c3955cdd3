package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/dalog-project/dalog/internal/syslogsrv"
)

// retryListen is how often a taken HTTP port is tried again.
const retryListen = 5 * time.Second

// webSocket is an address that is served over HTTP.
type webSocket struct {
	net.Listener        // nil while the port is taken
	addr         string // as it was asked for
	secure       bool   // HTTPS
}

func (s *webSocket) kind() string {
	if s.secure {
		return "https"
	}
	return "http"
}

// webListeners are the HTTP sockets. Those whose port is taken are tried again
// while the server runs.
type webListeners struct {
	log     *slog.Logger
	wrap    func(net.Listener) net.Listener // who may connect, and how many
	mu      sync.Mutex                      // protects Listener of the sockets
	sockets []*webSocket
}

// listenHTTP binds the addresses. It is content with one of several.
func listenHTTP(f *flags, inherited []net.Listener, log *slog.Logger) (*webListeners, error) {
	w := &webListeners{log: log}
	for _, l := range inherited {
		w.sockets = append(w.sockets, &webSocket{Listener: l})
	}
	for _, a := range f.httpAddrs(len(inherited) > 0) {
		w.sockets = append(w.sockets, &webSocket{addr: string(a)})
	}
	for _, a := range f.HTTPS {
		w.sockets = append(w.sockets, &webSocket{addr: string(a), secure: true})
	}
	var taken error
	bound := 0
	for _, s := range w.sockets {
		if s.Listener != nil {
			bound++
			continue
		}
		l, err := net.Listen("tcp", s.addr)
		switch {
		case err == nil:
			s.Listener = l
			bound++
		case errors.Is(err, syscall.EADDRINUSE):
			taken = cmp.Or(taken, explainBind(syslogsrv.TCP, s.kind(), s.addr, "--"+s.kind(), err))
		default:
			w.close()
			return nil, explainBind(syslogsrv.TCP, s.kind(), s.addr, "--"+s.kind(), err)
		}
	}
	if bound == 0 && taken != nil {
		return nil, taken
	}
	for _, s := range w.sockets {
		if s.Listener == nil {
			log.Warn("HTTP port is taken; it is tried again while the other one works", "addr", s.addr, "every", retryListen)
		}
	}
	return w, nil
}

// webStatus is one address with whether it is served.
type webStatus struct {
	what  string
	bound bool
}

func (w *webListeners) status() (all []webStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sockets {
		if s.Listener == nil {
			all = append(all, webStatus{s.kind() + " " + s.addr, false})
		} else {
			all = append(all, webStatus{s.kind() + " " + s.Addr().String(), true})
		}
	}
	return all
}

func (w *webListeners) close() {
	for _, s := range w.sockets {
		if s.Listener != nil {
			s.Close()
		}
	}
}

// run serves until ctx ends, and then lets answers under way finish for a
// short time.
func (w *webListeners) run(server *http.Server) func(context.Context) error {
	return func(ctx context.Context) error {
		var group sync.WaitGroup
		failed := make(chan error, len(w.sockets))
		for _, s := range w.sockets {
			group.Go(func() {
				l := s.Listener
				if l == nil {
					l = w.retry(ctx, s)
				}
				if l == nil {
					return
				}
				serve := server.Serve
				if s.secure {
					serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
				}
				if err := serve(w.wrap(l)); !errors.Is(err, http.ErrServerClosed) {
					failed <- err
				}
			})
		}
		var err error
		select {
		case err = <-failed:
		case <-ctx.Done():
			graceful, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpGrace)
			defer cancel()
			if server.Shutdown(graceful) != nil {
				w.log.Warn("answers cut off", "after", httpGrace)
				server.Close()
			}
		}
		if err == nil {
			group.Wait()
		}
		return err
	}
}

// retry listens on the address of s once it is free; nil when ctx ends first.
func (w *webListeners) retry(ctx context.Context, s *webSocket) net.Listener {
	tick := time.NewTicker(retryListen)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		l, err := net.Listen("tcp", s.addr)
		if err == nil {
			w.mu.Lock()
			s.Listener = l
			w.mu.Unlock()
			w.log.Info("listening", "kind", s.kind(), "addr", l.Addr())
			return l
		}
		w.log.Debug("HTTP port still taken", "addr", s.addr, "err", err)
	}
}
