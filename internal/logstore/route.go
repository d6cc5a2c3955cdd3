package logstore

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dalog-project/dalog/internal/syslog"
)

// standardRoutes are the programs that docassemble's forwarders name, and the
// files in which its Logs page looks for them. Names are compared exactly.
var standardRoutes = []struct{ program, errors, rest string }{
	{"docassemble", "docassemble.log", "docassemble.log"},
	{"websockets", "websockets.log", "websockets.log"},
	{"celery", "worker.log", "worker.log"},
	{"celerysingle", "single_worker.log", "single_worker.log"},
	{"uwsgi", "uwsgi.log", "uwsgi.log"},
	{"nginx", "error.log", "access.log"},
	{"apache", "apache_error.log", "apache_access.log"},
	{"supervisor", "supervisor.log", "supervisor.log"},
}

const (
	// firstFile leads the list: the Logs page shows the first file by default.
	firstFile = "docassemble.log"
	// overflowFile takes what has no file of its own.
	overflowFile = "overflow.log"
	// unknownFile takes messages whose program is unnamed.
	unknownFile = "unknown.log"

	// maxStem bounds a program's part of a file name, so that the name with
	// its hash, its suffix and what a rotation adds stays below 255 bytes.
	maxStem = 200
	// programsPerFile bounds the memory for program names: past it, names are
	// worked out anew for every message.
	programsPerFile = 4
)

// route is where one program's messages go, by severity.
type route [8]*logFile

// split is the route of severities 0 (emergency) to 3 (error) to errors, and 4
// to 7 to rest.
func split(errors, rest *logFile) *route {
	to := new(route)
	for severity := range to {
		to[severity] = rest
		if severity <= 3 {
			to[severity] = errors
		}
	}
	return to
}

// router finds the file for a message. Programs seen before cost one map
// access without a lock.
type router struct {
	known atomic.Pointer[map[string]*route] // the map is immutable once set

	mu       sync.Mutex
	rules    []Route
	names    map[string]*logFile
	created  map[netip.Addr]int // files that came into being for a peer
	overflow *logFile
	// overflowed is the route of programs without a file, unless rules have some.
	overflowed *route

	maxFiles, maxPerPeer int
}

// newRouter makes a router over the standard files and those in existing,
// which are the log files of the folder.
func newRouter(existing []string, maxFiles, maxPerPeer int) *router {
	r := &router{
		names:      make(map[string]*logFile),
		created:    make(map[netip.Addr]int),
		maxFiles:   maxFiles,
		maxPerPeer: maxPerPeer,
	}
	for _, s := range standardRoutes {
		r.add(s.errors)
		r.add(s.rest)
	}
	r.overflow = r.add(overflowFile)
	for _, name := range existing {
		r.add(name)
	}
	r.setRoutes(nil)
	return r
}

// setRoutes makes these rules come before the table, and forgets what was
// learned of programs under others.
func (r *router) setRoutes(rules []Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules = rules
	r.overflowed = split(r.overflow, r.overflow)
	known := make(map[string]*route)
	for _, s := range standardRoutes {
		to := split(r.names[s.errors], r.names[s.rest])
		r.overrule(to, s.program)
		known[s.program] = to
	}
	r.known.Store(&known)
}

// overrule puts the files of the rules into the route of a program. It tells
// whether there is one for every severity.
func (r *router) overrule(to *route, program string) (all bool) {
	var done route
	for i := range r.rules {
		rule := &r.rules[i]
		if !rule.matches(program) {
			continue
		}
		f := r.add(rule.File)
		for severity := rule.Worst; severity <= min(rule.Least, 7); severity++ {
			if done[severity] == nil {
				done[severity], to[severity] = f, f
			}
		}
	}
	return !slices.Contains(done[:], nil)
}

// file returns the file for messages of this severity.
func (to *route) file(severity uint8) *logFile { return to[severity&7] }

// route returns where the messages of m's program go.
func (r *router) route(m *syslog.Message) *route {
	if to, ok := (*r.known.Load())[string(m.Program)]; ok {
		return to
	}
	return r.learn(m)
}

// learn finds the route of a program that is not in the map, and puts it there
// unless the program goes to the overflow file for want of room.
func (r *router) learn(m *syslog.Message) *route {
	var buf [maxStem + 16]byte
	name := appendFileName(buf[:0], m.Program)

	r.mu.Lock()
	defer r.mu.Unlock()
	var to *route // the files of rules
	all := false
	if len(r.rules) > 0 {
		to = new(route)
		all = r.overrule(to, string(m.Program))
	}
	if !all {
		f, ok := r.names[string(name)]
		if !ok {
			peer := peerKey(m.From)
			if len(r.names) >= r.maxFiles || r.created[peer] >= r.maxPerPeer {
				return to.with(r.overflow, r.overflowed)
			}
			f = r.add(string(name))
			r.created[peer]++
		}
		to = to.with(f, nil)
	}
	if known := *r.known.Load(); len(known) < programsPerFile*r.maxFiles {
		known = maps.Clone(known)
		known[string(m.Program)] = to
		r.known.Store(&known)
	}
	return to
}

// add returns the file of this name, a new one where there is none.
func (r *router) add(name string) *logFile {
	f, ok := r.names[name]
	if !ok {
		f = newLogFile(name, len(r.names))
		r.names[name] = f
	}
	return f
}

// with is to with f for the severities that have no file yet; all, or a new
// route, where to is nil.
func (to *route) with(f *logFile, all *route) *route {
	if to == nil && all != nil {
		return all
	}
	if to == nil {
		to = new(route)
	}
	for severity := range to {
		if to[severity] == nil {
			to[severity] = f
		}
	}
	return to
}

// lookup returns the file of this name, nil where the router has none.
func (r *router) lookup(name string) *logFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names[name]
}

// count is the number of files known.
func (r *router) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.names)
}

// peerKey is whom a new file is charged to: the address, of IPv6 the network,
// because there a host has as many addresses as it likes.
func peerKey(p *syslog.Peer) netip.Addr {
	if p == nil {
		return netip.Addr{}
	}
	addr := p.Addr.Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return addr
}

// appendFileName appends the name of the file for a program that the table
// does not have: a name that the Logs page can open, that no part of a rotated
// file can have, and that stays within one folder.
func appendFileName(dst, program []byte) []byte {
	start := len(dst)
	stem := program
	for len(stem) > 0 && !nameEnd[stem[0]] {
		stem = stem[1:]
	}
	cut := len(stem) > maxStem
	if cut {
		stem = stem[:maxStem]
	}
	for _, c := range stem {
		if !nameByte[c] {
			c = '_'
		}
		dst = append(dst, c)
	}
	if cut {
		h := fnv.New32a()
		h.Write(program)
		return fmt.Appendf(dst, "-%08x.log", h.Sum32())
	}
	for len(dst) > start && !nameEnd[dst[len(dst)-1]] {
		dst = dst[:len(dst)-1]
	}
	if len(dst) == start {
		return append(dst, unknownFile...)
	}
	return append(dst, ".log"...)
}

// nameByte holds the bytes that stay as they are in a file name, nameEnd those
// that a name may begin and end with.
var nameByte, nameEnd = func() (inner, end [256]bool) {
	for c := range 256 {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		end[c] = alnum
		inner[c] = alnum || c == '_' || c == '.' || c == '-'
	}
	return inner, end
}()
