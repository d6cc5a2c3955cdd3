package forwarder

import (
	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/tail"
)

// laneLimit is how many parcels of one source may be under way: enough to keep a
// server busy, and so few that a flood in one file delays no other for long.
const laneLimit = 8

// lane is one source and what of it is read and not confirmed.
type lane struct {
	source  *tail.Source
	parcels []*parcel // contiguous, but for holes in the file
	held    bool      // the tailer was told to hold the source

	// What comes before the first parcel, as far as this process knows: nothing
	// is known while done is negative.
	done       int64
	doneAnchor uint32

	// Of the session.
	state  laneState
	sent   int    // parcels sent
	flying int    // commands not answered
	at     int64  // where the source stands at the server once all that is sent is committed
	anchor uint32 // there
	begun  bool   // the server has something of it
	// again, if it is not nil, is the place in the order of reading that parcels
	// take which are read again.
	again   *uint64
	first   bool // nothing of older files of the path is to be sent before
	refused bool // nothing more may be sent before the server was asked again
	asked   int  // how often in a row it was, and took nothing
}

type laneState int

const (
	unclaimed laneState = iota
	claiming            // asked for
	claimed             // may be sent
)

// parcel is a batch on its way. It is kept until it is confirmed.
type parcel struct {
	lane  *lane
	start int64 // offset of its first byte
	end   int64
	after uint32 // anchor at end
	// position is what is confirmed with it; zero where it ends within a chunk.
	position delivery.Position
	lines    int
	number   uint64 // in the order of reading

	batch delivery.Batch // all but where the server stands
	body  []byte
	again bool // it was sent before
}

// forget takes the parcels out of the lane and gives the bytes that they held.
func (l *lane) forget() (bytes int) {
	for _, p := range l.parcels {
		bytes += len(p.body)
	}
	l.parcels, l.sent, l.done = nil, 0, -1
	return bytes
}

// boundary finds the parcel that begins at an offset with that anchor before it.
func (l *lane) boundary(offset int64, anchor uint32) (index int, ok bool) {
	if l.done >= 0 && l.done == offset && l.doneAnchor == anchor {
		return 0, true
	}
	for i, p := range l.parcels {
		if p.end == offset && p.after == anchor {
			return i + 1, true
		}
	}
	return 0, false
}

// within finds the parcel that an offset lies in.
func (l *lane) within(offset int64) (index int, ok bool) {
	for i, p := range l.parcels {
		if p.start < offset && offset < p.end {
			return i, true
		}
	}
	return 0, false
}
