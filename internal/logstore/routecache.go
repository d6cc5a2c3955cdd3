package logstore

import (
	"encoding/binary"

	"github.com/dalog-project/dalog/internal/syslog"
)

// routeCache holds the routes of programs that one goroutine met last, each at the
// place that its name falls on: to look there costs half of what the router's map
// does. Longer names are left to the router.
type routeCache struct {
	known  *map[string]*route // that of the router when the cache was filled
	places [256]struct {
		length uint8
		name   [23]byte
		to     *route // nil: nothing is here
	}
}

// begin forgets what was found before the routes changed.
func (c *routeCache) begin(r *router) {
	if known := r.known.Load(); c.known != known {
		*c = routeCache{known: known}
	}
}

// route is r.route(m).
func (c *routeCache) route(r *router, m *syslog.Message) *route {
	n := len(m.Program)
	if n == 0 || n > len(c.places[0].name) {
		return r.route(m)
	}
	at := &c.places[placeOf(m.Program)]
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

// placeOf mixes the first and the last bytes of a name.
func placeOf(name []byte) uint8 {
	var x uint64
	if n := len(name); n >= 8 {
		x = binary.LittleEndian.Uint64(name) + 3*binary.LittleEndian.Uint64(name[n-8:])
	} else {
		for _, c := range name {
			x = x<<8 | uint64(c)
		}
	}
	return uint8(x * 0x9e3779b97f4a7c15 >> 56)
}
