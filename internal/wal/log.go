package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// Log is a log being written. Its methods may be called at any time, and records
// can be appended while others are made durable. Locks are taken in the order in
// which they stand here.
type Log struct {
	opt Options

	syncing sync.Mutex // held by who makes files durable or closes them

	appending sync.Mutex // protects what follows
	cur       *writing
	last      uint64 // LSN of the last record appended
	// The record on its way out: head, payload, filling.
	head    [recordHead]byte
	filling [align]byte
	parts   [][]byte

	making sync.Mutex // held by who makes a segment

	mu     sync.Mutex // protects what follows; held for a moment only
	synced uint64     // highest LSN known to be durable
	failed error
	old    []*writing // segments before cur, oldest first
	next   []*writing // made ahead, the next one first
	due    bool       // more of cur is full than hardly anything

	pool pool
}

// ahead is how many segments are made before they are needed: to make one durable takes
// longer, while much else goes to the disk, than to fill one.
const ahead = 2

// writing is a segment that this log made.
type writing struct {
	number uint64
	seed   uint32
	f      vfs.File // nil once it is full and durable
	fresh  bool     // its file was made for it
	end    int64    // where the next record goes
	last   uint64   // LSN of its last record, once it is full
}

// Create begins a log, or goes on with one, at a fresh segment whose first
// record has the LSN next, one above that of the caller's checkpoint. That must
// be durable, for everything the log held before is dropped.
//
// On return the segment is durable, provided that the folder itself is.
func Create(fsys vfs.FS, opt Options, next uint64) (*Log, error) {
	if next == 0 {
		return nil, errors.New("create write-ahead log: records are counted from 1")
	}
	l := &Log{opt: opt, last: next - 1, synced: next - 1, pool: pool{fsys: fsys, opt: opt}}
	if err := l.pool.adopt(); err != nil {
		return nil, fmt.Errorf("create write-ahead log: %w", err)
	}
	if err := l.turn(); err != nil {
		return nil, fmt.Errorf("create write-ahead log: %w", err)
	}
	if opt.Prepare > 0 {
		if err := l.prepare(); err != nil && (errors.Is(err, ErrFailed) || !vfs.IsFull(err)) {
			return nil, fmt.Errorf("create write-ahead log: %w", errors.Join(err, l.Close()))
		}
	}
	return l, nil
}

// Append adds one record of the type and of the parts, one after the other, and
// gives its LSN. It has left the process on return and is not durable; the parts
// are the caller's again.
//
// With [ErrFailed] the log takes nothing more. With any other error nothing was
// appended and the log is as it was: the disk is full ([vfs.IsFull]), the record
// [ErrTooLarge], or a new segment could not be made; it may be tried again, with
// the same record or another. A record refused for a full disk may still be found
// after a loss of power, unless a Sync succeeded meanwhile.
func (l *Log) Append(typ byte, parts [][]byte) (lsn uint64, err error) {
	l.appending.Lock()
	defer l.appending.Unlock()
	synced, err := l.state()
	if err != nil {
		return 0, err
	}
	length := int64(0)
	for _, p := range parts {
		length += int64(len(p))
	}
	if length > l.opt.MaxRecord() {
		return 0, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, length, l.opt.MaxRecord())
	}
	if l.cur.end+recordSize(length) > l.opt.segmentSize() {
		if err := l.turn(); err != nil {
			return 0, fmt.Errorf("append to write-ahead log: %w", err)
		}
	}
	lsn = l.last + 1
	l.gather(head{length: uint32(length), lsn: lsn, synced: synced, typ: typ}, parts)
	_, err = l.cur.f.WritevAt(l.parts, l.cur.end)
	clear(l.parts)
	if err != nil {
		return 0, l.undo(err)
	}
	early := l.cur.end <= l.opt.segmentSize()/8
	l.cur.end += recordSize(length)
	l.last = lsn
	if early && l.cur.end > l.opt.segmentSize()/8 {
		l.mu.Lock()
		l.due = true
		l.mu.Unlock()
	}
	return lsn, nil
}

// state is the highest LSN known to be durable, and why the log takes nothing more.
func (l *Log) state() (synced uint64, failed error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced, l.failed
}

// gather lays the record out in l.parts.
func (l *Log) gather(h head, parts [][]byte) {
	h.put(&l.head)
	size := recordHead + int64(h.length)
	filling := l.filling[:recordSize(int64(h.length))-size]
	l.parts = append(append(append(l.parts[:0], l.head[:]), parts...), filling)

	crc := crc32.Update(l.cur.seed, castagnoli, l.head[:4])
	crc = crc32.Update(crc, castagnoli, l.head[8:])
	for _, p := range l.parts[1:] {
		crc = crc32.Update(crc, castagnoli, p)
	}
	binary.LittleEndian.PutUint32(l.head[4:], crc)
}

// undo takes back a record that was written in part, so that later ones do not
// stand behind half of it.
func (l *Log) undo(cause error) error {
	if !vfs.IsFull(cause) {
		return l.fail(cause)
	}
	if err := l.cur.f.Truncate(l.cur.end); err != nil {
		return l.fail(errors.Join(cause, err))
	}
	if err := reserve(l.cur.f, l.opt.segmentSize()); err != nil && !vfs.IsFull(err) {
		return l.fail(errors.Join(cause, err))
	}
	return fmt.Errorf("append to write-ahead log: %w", cause)
}

// Sync makes all records durable that were appended before, and gives the LSN of
// the last of these. It holds up no Append. Any error is [ErrFailed]: a failed
// fdatasync cannot be made good.
func (l *Log) Sync() (uint64, error) {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.appending.Lock()
	last, full, cur := l.last, l.unsynced(), l.cur.f
	l.appending.Unlock()
	synced, err := l.state()
	if err != nil || synced == last {
		return synced, err
	}
	for _, s := range full {
		err = errors.Join(err, s.f.Datasync())
	}
	if err == nil {
		err = cur.Datasync()
	}
	if err == nil {
		err = l.closeFull(full)
	}
	if err != nil {
		return 0, l.fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.synced = last
	return last, nil
}

// unsynced are the full segments that are not known to be durable.
func (l *Log) unsynced() (full []*writing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.old {
		if s.f != nil {
			full = append(full, s)
		}
	}
	return full
}

// closeFull closes the files of full segments, which are durable.
func (l *Log) closeFull(full []*writing) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range full {
		err = errors.Join(err, s.closeFile())
	}
	return err
}

// Ahead makes one segment before it is needed, so that no Append has to wait until
// that is durable. It does nothing while there are as many as are made ahead, or hardly
// anything of the one being written is full. An error other than [ErrFailed] has changed nothing:
// Append tries again when it comes to that.
func (l *Log) Ahead() error {
	l.making.Lock()
	defer l.making.Unlock()
	l.mu.Lock()
	synced, failed, due := l.synced, l.failed, l.due && len(l.next) < ahead
	l.mu.Unlock()
	if failed != nil || !due {
		return failed
	}
	return l.makeNext(synced)
}

// makeNext makes a segment ahead. The caller holds making.
func (l *Log) makeNext(synced uint64) error {
	s, err := l.pool.begin(0, synced)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.next = append(l.next, s)
	case errors.Is(err, ErrFailed):
		l.failed = err
	}
	return err
}

// prepare makes the segments that will be needed next, as far as there is room. New ones
// are filled, with nothing that has to be durable: to overwrite pages that are there costs
// the first records less than to have each page found and mapped. No record is made to wait
// for the zeros: they come behind the header of what is made ahead, once that is durable,
// and the segment that the first record goes to gets none. A slow system gets fewer.
func (l *Log) prepare() error {
	l.making.Lock()
	defer l.making.Unlock()
	for len(l.next) < ahead {
		if err := l.makeNext(l.synced); err != nil {
			return err
		}
	}
	until := time.Now().Add(l.opt.Prepare)
	for _, s := range l.next {
		if !s.fresh {
			continue
		}
		if err := fill(s.f, s.end, l.opt.segmentSize(), until); err != nil {
			return fmt.Errorf("fill segment: %w", err)
		}
	}
	return l.pool.prepare(until)
}

// takeNext gives the next segment that was made ahead, or makes one. It waits for one
// that is being made.
func (l *Log) takeNext() (*writing, error) {
	if s := l.popNext(); s != nil {
		return s, nil
	}
	l.making.Lock()
	defer l.making.Unlock()
	if s := l.popNext(); s != nil {
		return s, nil
	}
	synced, _ := l.state()
	return l.pool.begin(l.last+1, synced)
}

func (l *Log) popNext() (s *writing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.next) > 0 {
		s = l.next[0]
		l.next = slices.Delete(l.next, 0, 1)
	}
	return s
}

// turn goes on in a fresh segment. The caller holds appending.
func (l *Log) turn() error {
	s, err := l.takeNext()
	if errors.Is(err, ErrFailed) {
		return l.fail(err)
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	full := l.cur
	l.cur, l.due = s, false
	if full != nil {
		full.last = l.last
		l.old = append(l.old, full)
		if l.synced == l.last {
			err = full.closeFile()
		}
	}
	l.mu.Unlock()
	if err != nil {
		return l.fail(err)
	}
	return nil
}

// Trim drops the segments all of whose records have an LSN of at most through,
// or keeps them to be used again. The caller's checkpoint at through must be
// durable. After an error the rest is tried again by the next call.
func (l *Log) Trim(through uint64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	for s := l.oldest(through); s != nil; s = l.oldest(through) {
		if err := s.closeFile(); err != nil {
			return fmt.Errorf("trim write-ahead log: %w", err)
		}
		if err := l.pool.drop(segmentName(s.number), s.number, l.opt.spares()); err != nil {
			return fmt.Errorf("trim write-ahead log: %w", err)
		}
		l.mu.Lock()
		l.old = l.old[1:]
		l.mu.Unlock()
	}
	return nil
}

// oldest is the oldest segment, if all its records have an LSN of at most through.
func (l *Log) oldest(through uint64) *writing {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.old) == 0 || l.old[0].last > through {
		return nil
	}
	return l.old[0]
}

func (s *writing) closeFile() error {
	if s.f == nil {
		return nil
	}
	f := s.f
	s.f = nil
	return f.Close()
}

// Close releases the files. It makes nothing durable. The log then takes nothing
// more.
func (l *Log) Close() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.appending.Lock()
	defer l.appending.Unlock()
	l.making.Lock()
	defer l.making.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = fmt.Errorf("%w: it is closed", ErrFailed)
	}
	err := l.cur.closeFile()
	for _, s := range slices.Concat(l.old, l.next) {
		err = errors.Join(err, s.closeFile())
	}
	return err
}

// fail lets the log take nothing more.
func (l *Log) fail(cause error) error {
	if !errors.Is(cause, ErrFailed) {
		cause = fmt.Errorf("%w: %w", ErrFailed, cause)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = cause
	return cause
}
