package logstore

import (
	"encoding/binary"
	"math/bits"

	"github.com/dalog-project/dalog/internal/syslog"
)

// routeCache holds the routes of programs that one goroutine met last, each at the
// place that its name falls on: to look there costs half of what the router's map
// does. Longer names are left to the router.
type routeCache struct {
	known  *map[string]*route // that of the router when the cache was filled
	places []cachedRoute      // a power of two
	shift  int                // of a hash, to a place
}

type cachedRoute struct {
	to     *route // nil: nothing is here
	length uint8
	name   [23]byte
}

// There are places for four times the programs known, so that few fall on one.
const (
	minPlaces = 256
	maxPlaces = 8192
)

// begin forgets what was found before the routes changed.
func (c *routeCache) begin(r *router) {
	known := r.known.Load()
	if c.known == known {
		return
	}
	c.known = known
	n := minPlaces
	for n < maxPlaces && n < 4*len(*known) {
		n *= 2
	}
	if n == len(c.places) {
		clear(c.places)
		return
	}
	c.places, c.shift = make([]cachedRoute, n), 64-bits.TrailingZeros(uint(n))
}

// route is r.route(m).
func (c *routeCache) route(r *router, m *syslog.Message) *route {
	n := len(m.Program)
	if n == 0 || n > len(cachedRoute{}.name) {
		return r.route(m)
	}
	at := &c.places[hashName(m.Program)>>c.shift]
	if at.to != nil && string(at.name[:at.length]) == string(m.Program) {
		return at.to
	}
	to, ok := (*c.known)[string(m.Program)]
	if !ok {
		return r.route(m)
	}
	at.to, at.length = to, uint8(copy(at.name[:], m.Program))
	return to
}

// hashName mixes the first and the last bytes of a name, best into the upper bits.
func hashName(name []byte) uint64 {
	var x uint64
	if n := len(name); n >= 8 {
		x = binary.LittleEndian.Uint64(name) + 3*binary.LittleEndian.Uint64(name[n-8:])
	} else {
		for _, c := range name {
			x = x<<8 | uint64(c)
		}
	}
	return x * 0x9e3779b97f4a7c15
}
