package syslogsrv

import (
	"cmp"
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
)

// Protocol is what a sender turned out to speak.
type Protocol int

// The names of the protocols are part of the metrics.
const (
	Undecided    Protocol = iota
	OctetCounted          // RFC 6587, section 3.4.1
	Lines                 // RFC 6587, section 3.4.2: ended by LF or NUL
	RELP
	HTTP
	Datagram // RFC 5426, and local datagrams
	protocols
)

var protocolNames = [protocols]string{"undecided", "octet", "lines", "relp", "http", "datagram"}

func (p Protocol) String() string { return protocolNames[p] }

// maxPeers bounds the peers that are remembered. Those with open connections
// always are.
const maxPeers = 10_000

// peer is what is known of one sending address.
type peer struct {
	syslog.Peer // immutable once set

	messages atomic.Uint64
	bytes    atomic.Uint64
	lastSeen atomic.Int64 // unix seconds of the last message
	spoken   atomic.Uint32
	secured  atomic.Bool

	// Guarded by the table's lock.
	connections int
	element     *list.Element
}

// saw notes n messages.
func (p *peer) saw(now time.Time, n int) {
	p.messages.Add(uint64(n))
	p.lastSeen.Store(now.Unix())
}

func (p *peer) speaks(protocol Protocol, tls bool) {
	p.spoken.Or(1 << protocol)
	if tls {
		p.secured.Store(true)
	}
}

// peers is the table of all senders, least recently used first to go.
type peers struct {
	local string // name of local senders

	mu      sync.Mutex
	table   map[netip.Addr]*peer
	recent  *list.List // of *peer, the latest in front
	streams int        // connections of all peers
}

func newPeers(local string) *peers {
	return &peers{local: local, table: make(map[netip.Addr]*peer), recent: list.New()}
}

// get is the peer with this address, which stays valid after it has been
// forgotten by the table. The invalid address stands for local senders.
func (t *peers) get(addr netip.Addr) *peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.getLocked(addr)
}

func (t *peers) getLocked(addr netip.Addr) *peer {
	if p := t.table[addr]; p != nil {
		t.recent.MoveToFront(p.element)
		return p
	}
	p := &peer{}
	p.Addr = addr
	p.Name = t.local
	if addr.IsValid() {
		p.Name = addr.String()
	}
	if len(t.table) >= maxPeers {
		for e := t.recent.Back(); e != nil; e = e.Prev() {
			if old := e.Value.(*peer); old.connections == 0 {
				t.recent.Remove(e)
				delete(t.table, old.Addr)
				break
			}
		}
	}
	p.element = t.recent.PushFront(p)
	t.table[addr] = p
	return p
}

// PeerStats is what one peer has sent since it became known.
type PeerStats struct {
	Addr        netip.Addr // invalid: local senders
	Name        string
	Protocols   []Protocol
	TLS         bool
	Connections int
	Messages    uint64
	Bytes       uint64
	LastSeen    time.Time // zero: no message yet
}

// snapshot lists all known peers, the one with most messages first.
func (t *peers) snapshot() []PeerStats {
	t.mu.Lock()
	all := make([]PeerStats, 0, len(t.table))
	for _, p := range t.table {
		s := PeerStats{
			Addr: p.Addr, Name: p.Name, TLS: p.secured.Load(), Connections: p.connections,
			Messages: p.messages.Load(), Bytes: p.bytes.Load(),
		}
		if sec := p.lastSeen.Load(); sec != 0 {
			s.LastSeen = time.Unix(sec, 0)
		}
		spoken := p.spoken.Load()
		for protocol := range protocols {
			if spoken&(1<<protocol) != 0 {
				s.Protocols = append(s.Protocols, protocol)
			}
		}
		all = append(all, s)
	}
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b PeerStats) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), a.Addr.Compare(b.Addr))
	})
	return all
}
