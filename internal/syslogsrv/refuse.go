package syslogsrv

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Reason is why something was refused or cut short.
type Reason int

// The names of the reasons are part of the metrics.
const (
	NotAllowed    Reason = iota // the peer's address is in no allowed prefix
	ReaderRefused               // the same on a port for reading
	TooMany                     // connections in all
	TooManyOfPeer               // connections of one peer
	NoDescriptors               // the process or the system is out of file descriptors
	TLSNotOffered               // TLS hello, and no certificate is configured
	TLSRequired                 // something else than TLS on a port for TLS
	TLSFailed                   // handshake broken off, or its certificate refused
	TLSTimeout                  // handshake not ended in time
	NotSyslog                   // HTTP
	RELPError                   // RELP session ended because of what the client sent
	RELPSequence                // RELP command outside of a session
	ProxyUnlisted               // PROXY header of a peer that is not listed: skipped, its address not believed
	ProxyBad                    // PROXY header that cannot be read
	Unframeable                 // too many framing errors in a row
	BufferShort                 // message cut short because the memory for partial messages ran out
	Panicked                    // a fault of this program, confined to the connection
	DrainTimedOut               // not read to its end before the time for stopping was up
	reasons
)

var reasonNames = [reasons]string{
	NotAllowed: "peer_not_allowed", ReaderRefused: "reader_not_allowed", TooMany: "max_connections", TooManyOfPeer: "max_connections_per_peer",
	NoDescriptors: "no_descriptors", TLSNotOffered: "tls_not_configured", TLSRequired: "tls_required",
	TLSFailed: "tls_failed", TLSTimeout: "tls_timeout", NotSyslog: "http", RELPError: "relp_error",
	RELPSequence: "relp_sequence", ProxyUnlisted: "proxy_not_listed", ProxyBad: "proxy_bad",
	Unframeable: "framing", BufferShort: "buffer_short", Panicked: "internal_fault", DrainTimedOut: "drain_timeout",
}

func (r Reason) String() string { return reasonNames[r] }

const (
	// refusalEvery is how often one reason of one peer may reach the log.
	refusalEvery = time.Minute
	// refusalKeys bounds the pairs that are told apart; above, peers are
	// logged together.
	refusalKeys = 256
)

// Refuse counts and logs what another listener refused by the same rules.
func (s *Server) Refuse(reason Reason, peer netip.Addr) { s.refused.add(reason, peer, "") }

// refusals counts what was refused, and logs each reason of each peer when it
// first occurs and from then on once a minute at most, with the count.
type refusals struct {
	log    *slog.Logger
	hints  map[Reason]string
	counts [reasons]atomic.Uint64

	mu   sync.Mutex
	seen map[refusal]*repeated
}

type refusal struct {
	reason Reason
	peer   netip.Addr
}

type repeated struct {
	logged time.Time
	unsaid int
	detail string // of the last one that went unsaid
}

func newRefusals(log *slog.Logger, hints map[Reason]string) *refusals {
	return &refusals{log: log, hints: hints, seen: make(map[refusal]*repeated)}
}

// add counts one refusal. detail may be empty.
func (r *refusals) add(reason Reason, peer netip.Addr, detail string) {
	r.counts[reason].Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	key := refusal{reason, peer}
	e := r.seen[key]
	if e == nil && len(r.seen) >= refusalKeys {
		key.peer = netip.Addr{}
		e = r.seen[key]
	}
	if e != nil {
		e.unsaid++
		e.detail = detail
		return
	}
	r.seen[key] = &repeated{logged: time.Now()}
	r.say(key, 1, detail)
}

// flush logs what add held back for a minute or longer, and forgets peers that
// have been quiet since. all says everything at once.
func (r *refusals) flush(all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, e := range r.seen {
		if !all && time.Since(e.logged) < refusalEvery {
			continue
		}
		if e.unsaid == 0 {
			delete(r.seen, key)
			continue
		}
		r.say(key, e.unsaid, e.detail)
		*e = repeated{logged: time.Now()}
	}
}

func (r *refusals) say(key refusal, count int, detail string) {
	attrs := []any{"reason", key.reason.String(), "count", count}
	if key.peer.IsValid() {
		attrs = append(attrs, "peer", key.peer)
	}
	if detail != "" {
		attrs = append(attrs, "detail", detail)
	}
	if h := r.hints[key.reason]; h != "" {
		attrs = append(attrs, "hint", h)
	}
	r.log.Warn("refused", attrs...)
}
