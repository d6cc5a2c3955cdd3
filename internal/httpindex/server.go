package httpindex

import (
	"log/slog"
	"net/http"
	"time"
)

const (
	headerTimeout  = 10 * time.Second // for a request's header to arrive whole
	bodyTimeout    = 10 * time.Second // for a body that no page needs
	idleTimeout    = 2 * time.Minute  // between the requests of a connection
	answerTimeout  = time.Minute      // for an answer to be taken; files get more, see minSendRate
	minSendRate    = 16 << 10         // bytes a second below which a download is given up
	maxHeaderBytes = 64 << 10
	maxStreams     = 50 // answers at a time over one connection of HTTP/2
)

// NewServer makes the server for h with the limits that keep slow and hostile
// peers from holding connections. It can serve several listeners at once. When
// it is shut down, it calls h's method Stop, if it has one.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		WriteTimeout:      answerTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: idleTimeout / 2, PingTimeout: headerTimeout, WriteByteTimeout: answerTimeout},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	if stopper, ok := h.(interface{ Stop() }); ok {
		server.RegisterOnShutdown(stopper.Stop)
	}
	return server
}

// allowTime sets the deadline for sending size bytes as the answer on w.
func allowTime(w http.ResponseWriter, size int64) {
	limit := answerTimeout + time.Duration(size/minSendRate)*time.Second
	// The error says that w has no connection beneath it, as in tests.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit))
}
