package syslogsrv

import (
	"context"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/syslog"
)

// Ledger is a Sink that keeps, with the messages, how far the sources have come
// that they are from. A Server whose Sink is one offers dalog's own commands to
// RELP clients, and what comes by these is stored exactly once.
type Ledger interface {
	Sink
	// SubmitRange is Submit for messages that are bytes of a source: they and the
	// position behind them are committed as one. A range that does not go on
	// where the source stands is a *delivery.PositionError, and not taken.
	SubmitRange(ctx context.Context, received time.Time, r delivery.Range, msgs []syslog.Message, committed func(error)) error
	// Position is where a source stands for good.
	Position(delivery.SourceKey) (delivery.Standing, bool)
	// Forget takes a source out of the table, as if it had never been.
	Forget(ctx context.Context, key delivery.SourceKey, done func(error)) error
	// SourceCount is how many sources there are.
	SourceCount() int
	// Claimed says that sessions had the sources at that time.
	Claimed(keys []delivery.SourceKey, at time.Time)
	// IdleSources are those of which nothing came, and which no session had, since
	// then.
	IdleSources(since time.Time) []delivery.SourceKey
	// ID names what the positions belong to; ok is false as long as they are not
	// known.
	ID() (id [16]byte, ok bool)
}
