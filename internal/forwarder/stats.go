package forwarder

import (
	"sync/atomic"
	"time"
)

// Stats is what happened since the start, and how things stand.
type Stats struct {
	Lines        uint64 `json:"lines"`           // handed on by the files
	Blank        uint64 `json:"blank_lines"`     // of them left out because they were empty
	Cut          uint64 `json:"cut_lines"`       // of them too long for one message
	Messages     uint64 `json:"messages"`        // made of them
	Bytes        uint64 `json:"sent_bytes"`      // of frames written, those sent again included
	Delivered    uint64 `json:"delivered_lines"` // lines confirmed by the peer's TCP
	Resent       uint64 `json:"resent_bytes"`    // bytes sent again after a connection was lost
	Connects     uint64 `json:"connects"`
	DialFailures uint64 `json:"dial_failures"`
	SaveFailures uint64 `json:"save_failures"`   // of the registry
	Truncated    uint64 `json:"truncated_files"` // files whose content was replaced
	LostBytes    uint64 `json:"lost_bytes"`      // seen in files that were truncated or vanished, and not read before
	Refused      uint64 `json:"refused_batches"` // batches that did not go on where the server stood
	Rewound      uint64 `json:"rewound_bytes"`   // bytes sent again because the server had lost them
	Forks        uint64 `json:"forks"`           // sources under whose name the server had other content
	Clones       uint64 `json:"clones"`          // times that another forwarder turned out to use this one's name

	Connected   string `json:"-"`                 // the server's address; empty for none
	Open        int    `json:"open_files"`        // files held open
	Unread      int64  `json:"unread_bytes"`      // bytes in files, seen and not yet read
	Unconfirmed int64  `json:"unconfirmed_bytes"` // bytes sent, or about to be, and not confirmed
}

type counters struct {
	lines, blank, cut, messages, bytes, delivered, resent atomic.Uint64
	connects, dialFailures, saveFailures                  atomic.Uint64
	truncated, lostBytes                                  atomic.Uint64
	refused, rewound, forks, clones                       atomic.Uint64
	unconfirmed                                           atomic.Int64
	since                                                 atomic.Pointer[time.Time] // of the connection
	saveFailing                                           atomic.Bool
	connected                                             atomic.Pointer[string]
}

// Stats may be called at any time.
func (f *Forwarder) Stats() Stats {
	c, files := f.counters, f.tailer.Stats()
	s := Stats{
		Lines: c.lines.Load(), Blank: c.blank.Load(), Cut: c.cut.Load(), Messages: c.messages.Load(),
		Bytes: c.bytes.Load(), Delivered: c.delivered.Load(), Resent: c.resent.Load(),
		Connects: c.connects.Load(), DialFailures: c.dialFailures.Load(), SaveFailures: c.saveFailures.Load(),
		Truncated: c.truncated.Load(), LostBytes: c.lostBytes.Load(),
		Refused: c.refused.Load(), Rewound: c.rewound.Load(), Forks: c.forks.Load(), Clones: c.clones.Load(),
		Open: files.Open, Unread: files.Unread, Unconfirmed: c.unconfirmed.Load(),
	}
	if server := c.connected.Load(); server != nil {
		s.Connected = *server
	}
	return s
}
