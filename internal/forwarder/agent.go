package forwarder

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
)

// agentName is the file in the state folder that holds what this forwarder is to
// servers that keep positions. Little endian:
//
//	"DALOGAGT"  version u32  agent [16]  store [16]  met i64
//	begun u32, of each: id [16]  offset u64
//	ending u32, of each: id [16]
//	CRC-32C of all before it u32
const (
	agentName    = "agent"
	agentMagic   = "DALOGAGT"
	agentVersion = 2 // 1 has no met
)

// maxEnding bounds the sources whose end no server has heard of yet. One that is
// left out stays in the server's list.
const maxEnding = 10_000

// agent is what a server that keeps positions knows this forwarder by. What it
// holds beside the id is a cache: without it nothing is lost or sent twice, but
// for what a server has lost.
type agent struct {
	registry *registry // writes the file

	mu       sync.Mutex // guards what follows
	id       [16]byte
	store    [16]byte                    // of the last session's server
	met      int64                       // Unix time at which there was one last, to an hour; 0: not known
	away     bool                        // that was long ago when the present session began
	begun    map[delivery.SourceID]int64 // what that has something of, and from where on
	ending   []delivery.SourceID         // gone, and that server is to forget them
	disowned map[delivery.SourceID]bool  // another forwarder's by now: not to be ended
	dirty    bool
}

// openAgent reads the file, or draws an id. A damaged file is as good as none.
func openAgent(r *registry) (*agent, error) {
	a := &agent{registry: r, begun: map[delivery.SourceID]int64{}, disowned: map[delivery.SourceID]bool{}}
	data, err := readAll(r.fs, agentName)
	if err == nil {
		err = a.decode(data)
	}
	switch {
	case errors.Is(err, errNewerRegistry):
		return nil, err
	case err == nil:
		return a, nil
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errAgent):
		return nil, err
	}
	clear(a.begun)
	a.ending, a.store = nil, [16]byte{}
	a.renew()
	return a, a.save()
}

var errAgent = errors.New("agent file is damaged")

func (a *agent) encode() []byte {
	b := le.AppendUint32([]byte(agentMagic), agentVersion)
	b = append(append(b, a.id[:]...), a.store[:]...)
	b = le.AppendUint64(b, uint64(a.met))
	b = le.AppendUint32(b, uint32(len(a.begun)))
	for id, offset := range a.begun {
		b = le.AppendUint64(append(b, id[:]...), uint64(offset))
	}
	b = le.AppendUint32(b, uint32(len(a.ending)))
	for _, id := range a.ending {
		b = append(b, id[:]...)
	}
	return le.AppendUint32(b, crcOf(b))
}

func (a *agent) decode(b []byte) error {
	if len(b) < len(agentMagic)+8 || string(b[:len(agentMagic)]) != agentMagic || crcOf(b[:len(b)-4]) != le.Uint32(b[len(b)-4:]) {
		return errAgent
	}
	d := decoder{b: b[len(agentMagic) : len(b)-4]}
	version := d.u32()
	if version > agentVersion {
		return fmt.Errorf("%w: agent file of version %d", errNewerRegistry, version)
	}
	copy(a.id[:], d.take(16))
	copy(a.store[:], d.take(16))
	if version > 1 {
		a.met = int64(d.u64())
	}
	for range d.u32() {
		id := delivery.SourceID(d.take(16))
		if offset := int64(d.u64()); !d.short {
			a.begun[id] = offset
		} else {
			break
		}
	}
	for range d.u32() {
		id := delivery.SourceID(d.take(16))
		if d.short {
			break
		}
		a.ending = append(a.ending, id)
	}
	if d.short || len(d.b) > 0 {
		return errAgent
	}
	return nil
}

// save makes everything durable.
func (a *agent) save() error {
	a.mu.Lock()
	if !a.dirty {
		a.mu.Unlock()
		return nil
	}
	data := a.encode()
	a.dirty = false
	a.mu.Unlock()
	a.registry.writing.Lock()
	err := a.registry.write(agentName, data)
	a.registry.writing.Unlock()
	if err != nil {
		a.mu.Lock()
		a.dirty = true
		a.mu.Unlock()
	}
	return err
}

// renew draws another id.
func (a *agent) renew() {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, _ = rand.Read(a.id[:]) // never fails: crypto/rand ends the process instead
	a.dirty = true
}

func (a *agent) name() [16]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.id
}

// meet says which store the present server has. same tells whether it is that of
// the last session: what that was sent is there, or it has lost it.
func (a *agent) meet(store [16]byte, now time.Time) (same bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.met
	a.met, a.dirty = now.Unix(), true
	a.away = a.store == store && before > 0 && now.Sub(time.Unix(before, 0)) > keepUnseen
	if a.store == store {
		return true
	}
	a.store = store
	clear(a.begun)
	a.ending = nil // the former server may keep them
	return false
}

// stays says that the session goes on.
func (a *agent) stays(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Unix()-a.met > 3600 {
		a.met, a.dirty = now.Unix(), true
	}
}

// forgot tells whether a server that does not know a source any more may have
// forgotten it, because nobody was there for long, rather than lost it. The source
// counts as new to it then.
func (a *agent) forgot(id delivery.SourceID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away {
		delete(a.begun, id)
		a.dirty = true
	}
	return a.away
}

// has says that the server has something of a source, from that offset on.
func (a *agent) has(id delivery.SourceID, offset int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.begun[id]; !ok {
		a.begun[id], a.dirty = offset, true
	}
}

// from tells from where on the server should have something of a source.
func (a *agent) from(id delivery.SourceID) (offset int64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	offset, ok = a.begun[id]
	return offset, ok
}

// disown says that the server is not to forget a source when it is dropped.
func (a *agent) disown(id delivery.SourceID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.disowned[id] = true
	delete(a.begun, id)
	a.dirty = true
}

// dropped says that sources are gone for good; it is durable on return.
func (a *agent) dropped(ids []delivery.SourceID) error {
	a.mu.Lock()
	for _, id := range ids {
		if a.disowned[id] {
			delete(a.disowned, id)
			continue
		}
		a.ending = append(a.ending, id)
		a.dirty = true
	}
	a.ending = a.ending[max(0, len(a.ending)-maxEnding):]
	a.mu.Unlock()
	return a.save()
}

// toEnd lists the sources that the server is to forget.
func (a *agent) toEnd() []delivery.SourceID {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.ending)
}

// ended says that the server has forgotten a source.
func (a *agent) ended(id delivery.SourceID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.ending, id); i >= 0 {
		a.ending = slices.Delete(a.ending, i, i+1)
	}
	delete(a.begun, id)
	a.dirty = true
}
