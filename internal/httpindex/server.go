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
	lookTimeout    = time.Hour        // for looking for lines before there is something to send; see looking
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
	setDeadline(http.NewResponseController(w), answerTimeout+time.Duration(size/minSendRate)*time.Second)
}

func setDeadline(c *http.ResponseController, within time.Duration) {
	// The error says that there is no connection beneath it, as in tests.
	_ = c.SetWriteDeadline(time.Now().Add(within))
}

// looking lets p take more time to find out what to answer than a client has for
// taking the answer, for which p sets the deadline. Over HTTP/2 the server would end
// the answer as soon as a deadline is over, whether something is being sent or not.
func looking(p page) page {
	return func(w http.ResponseWriter, r *http.Request) int {
		setDeadline(http.NewResponseController(w), lookTimeout)
		return p(w, r)
	}
}
