package syslogsrv

import (
	"math/bits"
	"net/netip"
	"sync/atomic"

	"github.com/dalog-project/dalog/internal/syslog"
)

// counters are the Server's own, except for refusals. They only grow.
type counters struct {
	messages    [protocols]atomic.Uint64
	bytes       [protocols]atomic.Uint64
	connections [protocols]atomic.Uint64
	tls         atomic.Uint64
	flags       [16]atomic.Uint64
	empty       atomic.Uint64
	lost        atomic.Uint64
	oversize    atomic.Uint64
	discarded   atomic.Uint64
	framing     atomic.Uint64
	dropped     atomic.Uint64
	dalog       dalogCounts
}

func (c *counters) flag(f syslog.Flags) {
	for ; f != 0; f &= f - 1 {
		c.flags[bits.TrailingZeros16(uint16(f))].Add(1)
	}
}

// countFrames adds what c's framer counted since the last time.
func (c *conn) countFrames() {
	f, counted, s := &c.framer, &c.counted, &c.srv.counts
	if f.Octet > 0 && counted.Octet == 0 && c.protocol != OctetCounted {
		c.peer.speaks(OctetCounted, c.secure != nil) // began with lines
	}
	if errors := f.Errors + f.Dropped - counted.Errors - counted.Dropped; errors != 0 {
		s.framing.Add(errors)
	}
	if f.Oversize != counted.Oversize {
		s.oversize.Add(f.Oversize - counted.Oversize)
	}
	if f.Discarded != counted.Discarded {
		s.discarded.Add(f.Discarded - counted.Discarded)
	}
	if f.Empty != counted.Empty {
		s.empty.Add(f.Empty - counted.Empty)
	}
	c.counted = *f
}

// Stats is a snapshot of what a Server counted since [Listen].
type Stats struct {
	Messages    map[Protocol]uint64 // handed over
	Bytes       map[Protocol]uint64 // received, with frames and after TLS
	Connections map[Protocol]uint64 // by what they turned out to speak
	TLS         uint64              // handshakes that succeeded
	Open        int                 // connections at present
	Refused     map[Reason]uint64
	Defects     map[string]uint64 // messages with a defect, by its name

	Empty         uint64 // frames and datagrams without a message
	Lost          uint64 // messages that the Sink did not take
	Oversize      uint64 // messages longer than Config.MaxMessage
	Discarded     uint64 // bytes of those that were not kept
	FramingErrors uint64 // octet counts that did not fit, or that a stream ended in
	KernelDrops   uint64 // datagrams lost because the receive buffer was full
	PartialBytes  int    // memory of unfinished messages at present

	Dalog DalogStats
}

// DalogStats is what came by dalog's own commands.
type DalogStats struct {
	Batches       uint64 // taken
	Bytes         uint64 // of lines in them, unpacked
	SkippedBytes  uint64 // left out by senders on purpose
	Gaps          uint64 // batches that did not go on where their source stood
	OtherContent  uint64 // batches whose source had other content before them
	Unclaimed     uint64 // batches of sources that another session has
	Malformed     uint64 // commands
	SourcesBegun  uint64 // sources claimed that the store did not know
	SourcesEnded  uint64
	SourcesForgot uint64 // because they were idle
	SourcesFull   uint64 // batches of new sources refused, because there are too many
	SourcesTaken  uint64 // from a live session by another one
	SessionsEnded uint64 // by a newer session of the same agent
	Superseded    uint64 // commands of sessions that had been ended so
	Live          int    // sessions at present
	Sources       int    // that the Ledger has
	SourceLimit   int    // and may have
}

func (s *Server) dalogStats() DalogStats {
	n, c := &s.counts.dalog, s.claims
	c.mu.Lock()
	live := len(c.agents)
	c.mu.Unlock()
	sources := 0
	if ledger := s.running.Load(); ledger != nil {
		sources = (*ledger).SourceCount()
	}
	return DalogStats{
		Sources: sources, SourceLimit: s.rules.Load().sources,
		Batches: n.batches.Load(), Bytes: n.plain.Load(), SkippedBytes: n.skipped.Load(),
		Gaps: n.gap.Load(), OtherContent: n.content.Load(), Unclaimed: n.unclaimed.Load(), Malformed: n.malformed.Load(),
		SourcesBegun: n.begun.Load(), SourcesEnded: n.ended.Load(), SourcesForgot: n.forgotten.Load(), SourcesFull: n.refusedNew.Load(), SourcesTaken: c.takeover.Load(),
		SessionsEnded: c.fenced.Load(), Superseded: n.superseded.Load(), Live: live,
	}
}

// Stats takes a snapshot.
func (s *Server) Stats() Stats {
	c := &s.counts
	st := Stats{
		Messages: map[Protocol]uint64{}, Bytes: map[Protocol]uint64{}, Connections: map[Protocol]uint64{},
		Refused: map[Reason]uint64{}, Defects: map[string]uint64{},
		TLS: c.tls.Load(), Empty: c.empty.Load(), Lost: c.lost.Load(), Oversize: c.oversize.Load(),
		Discarded: c.discarded.Load(), FramingErrors: c.framing.Load(), KernelDrops: c.dropped.Load(),
		PartialBytes: s.partials.inUse(),
		Dalog:        s.dalogStats(),
	}
	for p := range protocols {
		st.Messages[p] = c.messages[p].Load()
		st.Bytes[p] = c.bytes[p].Load()
		st.Connections[p] = c.connections[p].Load()
	}
	for r := range reasons {
		st.Refused[r] = s.refused.counts[r].Load()
	}
	for f, name := range flagNames {
		st.Defects[name] = c.flags[bits.TrailingZeros16(uint16(f))].Load()
	}
	s.peers.mu.Lock()
	st.Open = s.peers.streams
	s.peers.mu.Unlock()
	return st
}

// Peers lists who has sent, the one with most messages first.
func (s *Server) Peers() []PeerStats { return s.peers.snapshot() }

// flagNames are part of the metrics.
var flagNames = map[syslog.Flags]string{
	syslog.NoPri: "no_pri", syslog.BadPri: "bad_pri", syslog.BadTime: "bad_time",
	syslog.ShortHeader: "short_header", syslog.Truncated: "truncated",
	syslog.Unterminated: "unterminated", syslog.FramingError: "framing_error",
	syslog.NotUTF8: "not_utf8", syslog.ClockUnsynced: "clock_unsynced",
}

// fault notes a panic: a mistake in this program, which costs one connection
// or one read of datagrams. The first one is logged with its stack.
func (s *Server) fault(peer netip.Addr, what any, stack []byte) {
	if s.refused.counts[Panicked].Load() == 0 {
		s.log.Error("internal fault; please report it", "fault", what, "stack", string(stack))
	}
	s.refused.add(Panicked, peer, "")
}
