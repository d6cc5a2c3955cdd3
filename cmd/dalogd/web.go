package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dalog-project/dalog/internal/syslogsrv"
)

// retryListen is how often a taken HTTP port is tried again.
const retryListen = 5 * time.Second

// webListeners are the HTTP sockets. Those whose port is taken are tried again
// while the server runs.
type webListeners struct {
	log     *slog.Logger
	allow   atomic.Pointer[[]netip.Prefix]
	refused func(netip.Addr) // counts a peer that is not allowed
	bound   []net.Listener
	pending []string // addresses of taken ports
}

// listenHTTP binds the addresses. It is content with one of several.
func listenHTTP(f *flags, inherited []net.Listener, refused func(netip.Addr), log *slog.Logger) (*webListeners, error) {
	w := &webListeners{log: log, refused: refused, bound: inherited}
	w.setAllow(flatten(f.Allow))
	var taken error
	for _, a := range f.httpAddrs(len(inherited) > 0) {
		addr := string(a)
		l, err := net.Listen("tcp", addr)
		switch {
		case err == nil:
			w.bound = append(w.bound, l)
		case errors.Is(err, syscall.EADDRINUSE):
			taken = err
			w.pending = append(w.pending, addr)
		default:
			w.close()
			return nil, explainBind(syslogsrv.TCP, "http", addr, "--http", err)
		}
	}
	if len(w.bound) == 0 && taken != nil {
		return nil, explainBind(syslogsrv.TCP, "http", w.pending[0], "--http", taken)
	}
	for _, addr := range w.pending {
		log.Warn("HTTP port is taken; it is tried again while the other one works", "addr", addr, "every", retryListen)
	}
	return w, nil
}

// setAllow says who may connect from now on.
func (w *webListeners) setAllow(allow []netip.Prefix) { w.allow.Store(&allow) }

func (w *webListeners) close() {
	for _, l := range w.bound {
		l.Close()
	}
}

func (w *webListeners) addrs() (all []string) {
	for _, l := range w.bound {
		all = append(all, l.Addr().String())
	}
	return all
}

// run serves until ctx ends, and then lets answers under way finish for a
// short time.
func (w *webListeners) run(server *http.Server) func(context.Context) error {
	return func(ctx context.Context) error {
		var group sync.WaitGroup
		failed := make(chan error, len(w.bound)+len(w.pending))
		serve := func(l net.Listener) {
			if err := server.Serve(&filter{l, &w.allow, w.refused}); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}
		for _, l := range w.bound {
			group.Go(func() { serve(l) })
		}
		for _, addr := range w.pending {
			group.Go(func() {
				if l := w.retry(ctx, addr); l != nil {
					serve(l)
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

// retry listens on addr once it is free; nil when ctx ends first.
func (w *webListeners) retry(ctx context.Context, addr string) net.Listener {
	tick := time.NewTicker(retryListen)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		l, err := net.Listen("tcp", addr)
		if err == nil {
			w.log.Info("listening", "kind", "http", "addr", l.Addr())
			return l
		}
		w.log.Debug("HTTP port still taken", "addr", addr, "err", err)
	}
}

// filter accepts only from allowed peers. It works on connections, so that the
// responses keep their fast ways of writing.
type filter struct {
	net.Listener
	allow   *atomic.Pointer[[]netip.Prefix]
	refused func(netip.Addr)
}

func (f *filter) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := c.RemoteAddr().(*net.TCPAddr)
		if !ok { // a local socket, guarded by its file
			return c, nil
		}
		addr := tcp.AddrPort().Addr().Unmap()
		if syslogsrv.Contains(*f.allow.Load(), addr) {
			return c, nil
		}
		f.refused(addr)
		c.Close()
	}
}
