package forwarder

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"
)

const (
	minBackOff  = 200 * time.Millisecond
	maxBackOff  = 5 * time.Second
	dialTimeout = 10 * time.Second
	// remindAfter is how often a lasting failure to connect is logged.
	remindAfter = time.Minute
	// fruitlessBefore is how long a connection must last to be of use if nothing
	// was to be delivered.
	fruitlessBefore = 10 * time.Second
)

// dialer finds a server that can be reached. Names are looked up at each dial.
type dialer struct {
	servers []string
	log     *slog.Logger
	stats   *counters
	tls     *dialTLS // nil: plain

	next      int // server to try next
	backOff   time.Duration
	failures  int // in a row
	fruitless int // connections in a row that were of no use
	told      time.Time
	toldText  string
}

// dial tries the servers in turn until one answers or ctx ends. When stop has
// ended it gives up after one more round.
func (d *dialer) dial(ctx context.Context, stop <-chan struct{}) (*link, int, error) {
	for {
		stopping := false
		select {
		case <-stop:
			stopping = true
		default:
		}
		var errs []error
		for d.next < len(d.servers) {
			i := d.next
			d.next++
			conn, err := d.one(ctx, d.servers[i])
			if err == nil {
				return conn, i, nil
			}
			if ctx.Err() != nil {
				return nil, 0, ctx.Err()
			}
			d.stats.dialFailures.Add(1)
			errs = append(errs, err)
		}
		d.next = 0
		if len(errs) > 0 {
			d.complain(errors.Join(errs...))
		}
		if stopping {
			return nil, 0, errors.Join(append(errs, errStopped)...) // there may have been none left to try
		}
		d.wait(ctx, stop)
	}
}

// link is a connection to a server.
type link struct {
	net.Conn // TLS over tcp, or tcp itself
	tcp      *net.TCPConn
}

// one connects to one server.
func (d *dialer) one(ctx context.Context, address string) (*link, error) {
	nd := net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	conn, err := nd.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	if d.tls == nil {
		return &link{tcp, tcp}, nil
	}
	secured, err := d.tls.handshake(ctx, tcp, address)
	if err != nil {
		return nil, err
	}
	return &link{secured, tcp}, nil
}

// wait waits for the back-off, which grows with each failure, give or take a
// quarter so that many forwarders do not come at once.
func (d *dialer) wait(ctx context.Context, stop <-chan struct{}) {
	d.backOff = min(max(2*d.backOff, minBackOff), maxBackOff)
	timer := time.NewTimer(d.backOff*3/4 + rand.N(d.backOff/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-stop:
	case <-timer.C:
	}
}

// complain logs the first failure, every other one, and a lasting one now and
// then.
func (d *dialer) complain(err error) {
	d.failures++
	text := err.Error()
	if text == d.toldText && time.Since(d.told) < remindAfter {
		return
	}
	d.told, d.toldText = time.Now(), text
	d.log.Warn("nothing can be delivered; lines stay in their files until it can, retrying",
		"attempts", d.failures, "error", text)
}

// ended says how a session with server i went. After one that was of use
// back-off begins anew, with the first server; err is why one was not, and then
// the next server's turn is first.
func (d *dialer) ended(i int, err error) {
	if err == nil {
		d.next, d.backOff, d.failures, d.fruitless, d.toldText = 0, 0, 0, 0, ""
		return
	}
	d.next = i + 1
	d.fruitless++
	d.complain(err)
}
