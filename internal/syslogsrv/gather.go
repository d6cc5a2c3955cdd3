package syslogsrv

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// gatherPause is how long bytes may wait for more of them.
	gatherPause = time.Millisecond
	// gatherBytes is how much is worth waking up for: half of the window that the
	// system grants a sender to begin with, so that none is held up by the pause.
	gatherBytes = 32 << 10
	// gatherAfter is how many small reads have to follow each other within
	// gatherWithin: a message after a pause goes on at once.
	gatherAfter  = 3
	gatherWithin = time.Millisecond
)

// gathering lets the bytes of a stream come together where they come a few at a
// time and in quick succession: to wake up, read and commit for each message
// costs ten times what the message does. While it is on, the system wakes the
// reader up when gatherBytes are there, and the deadline does when time is up.
type gathering struct {
	on     bool
	found  bool // something was read since the last pause
	quick  int  // small reads in succession
	readAt time.Time
}

// small notes a read of n bytes, and tells whether to pause before the next one.
func (g *gathering) small(n int) bool {
	now := time.Now()
	switch {
	case n >= gatherBytes:
		g.quick = 0
	case now.Sub(g.readAt) < gatherWithin:
		g.quick++
	default:
		g.quick = 1
	}
	g.found = true
	g.readAt = now
	return n < gatherBytes && (g.on || g.quick >= gatherAfter)
}

// pause lets nobody be woken up until gatherBytes are there, or gatherPause has
// passed since the last read. Where the system does not know of low water, nothing
// comes together.
func (g *gathering) pause(fd int, c net.Conn) error {
	if !g.on {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, gatherBytes)
		g.on = true
	}
	g.found = false
	return c.SetReadDeadline(g.readAt.Add(gatherPause))
}

// end makes the first byte count again. The deadline is the caller's.
func (g *gathering) end(fd int) error {
	g.on, g.quick = false, 0
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
}
