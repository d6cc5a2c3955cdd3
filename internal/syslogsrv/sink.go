package syslogsrv

import (
	"context"
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
)

// Sink is where messages go.
type Sink interface {
	// Submit hands over messages that arrived together. When it returns, the
	// messages and the bytes they point to may be used again. It blocks while
	// uncommitted bytes are over the Sink's budget (back-pressure); if ctx ends
	// first it returns an error and has taken nothing.
	//
	// committed, where it is not nil, is called exactly once from another
	// goroutine: with nil when every message is as durable as the Sink's policy
	// says, otherwise with the reason why it is not. The calls for one
	// goroutine's submissions come in the order of its calls to Submit.
	// committed must not block.
	Submit(ctx context.Context, received time.Time, msgs []syslog.Message, committed func(error)) error
}
