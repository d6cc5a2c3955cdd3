package logstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/syslog"
)

// The words of both ends of a delivery.
type (
	SourceKey     = delivery.SourceKey
	Position      = delivery.Standing
	Range         = delivery.Range
	PositionError = delivery.PositionError
)

// ErrRangeTooLarge says that what a range makes does not fit into one record of
// the write-ahead log.
var ErrRangeTooLarge = errors.New("batch is too large: send fewer lines at a time")

// sources is the table of positions.
type sources struct {
	mu sync.Mutex // protects at, and durable of all
	at map[SourceKey]*source
}

// source is where one source stands.
type source struct {
	mu       sync.Mutex // held while a range is queued, so that ranges are queued in order
	accepted advance    // the last one queued; from is of no use
	durable  Position   // what is committed
}

// lock gives the source with its lock held; nil for one that is unknown, unless
// it is to begin.
func (t *sources) lock(key SourceKey, begin bool) *source {
	for {
		t.mu.Lock()
		src := t.at[key]
		if src == nil && begin {
			src = new(source)
			t.at[key] = src
		}
		t.mu.Unlock()
		if src == nil {
			return nil
		}
		src.mu.Lock()
		t.mu.Lock()
		same := t.at[key] == src
		t.mu.Unlock()
		if same {
			return src
		}
		src.mu.Unlock() // forgotten meanwhile
	}
}

// SubmitRange is [Store.Submit] for messages that are bytes of a source: they
// and the new position are committed as one. A range that begins before the
// position loses the messages that end at or before it; what is left may be
// nothing, and is confirmed in its turn. One that begins behind it, or whose
// content does not fit, is a *PositionError. A range of no messages moves the
// position all the same.
func (s *Store) SubmitRange(ctx context.Context, received time.Time, r Range, msgs []syslog.Message, committed func(error)) error {
	if !ordered(&r) || len(r.Ends) != len(msgs) {
		return fmt.Errorf("source %s: the ends of the range's messages are not in order", r.Key.ID)
	}
	charge := int64(sizeEstimate(msgs) + batchOverhead)
	if err := s.budget.acquire(ctx, charge); err != nil {
		return err
	}
	src := s.sources.lock(r.Key, r.Start == 0)
	if src == nil {
		s.budget.adjust(-charge)
		return &PositionError{Key: r.Key, Start: r.Start}
	}
	defer src.mu.Unlock()
	if err := checkRange(&r, src.accepted); err != nil {
		s.budget.adjust(-charge)
		return err
	}
	skip, _ := slices.BinarySearch(r.Ends, src.accepted.to+1)
	msgs, r.Ends = msgs[skip:], r.Ends[skip:]
	b := s.newBatch(received, msgs, charge)
	if len(b.data) > s.maxRange {
		s.dropBatch(b)
		return ErrRangeTooLarge
	}
	b.committed = committed
	if to := r.To(); to > src.accepted.to {
		b.sourced = true
		b.advance = advance{key: r.Key, from: max(r.Start+r.Skip, src.accepted.to), to: to, anchor: r.After}
	}
	sourced, now := b.sourced, b.advance // b is not ours any more once it is queued
	if err := s.queue.push(b); err != nil {
		s.dropBatch(b)
		return err
	}
	if sourced {
		src.accepted = now
	}
	return nil
}

// ordered tells whether the offsets in r ascend.
func ordered(r *Range) bool {
	if r.Start < 0 || r.Skip < 0 || r.To() < r.Start+r.Skip || !slices.IsSorted(r.Ends) {
		return false
	}
	n := len(r.Ends)
	return n == 0 || r.Ends[0] >= r.Start+r.Skip && r.Ends[n-1] <= r.To()
}

// checkRange compares the range with where its source stands.
func checkRange(r *Range, now advance) error {
	switch refusal := (&PositionError{Key: r.Key, Start: r.Start, Committed: now.to}); {
	case r.Start > now.to, r.Skip > 0 && r.Start < now.to && r.Start+r.Skip > now.to:
		return refusal
	case r.Start == now.to && now.to > 0 && r.Before != now.anchor,
		r.Start < now.to && r.To() == now.to && r.After != now.anchor:
		refusal.Content = true
		return refusal
	}
	return nil
}

// Position is where the source stands for good: what is before it is not lost
// any more by anything the Store survives. ok is false for an unknown source.
func (s *Store) Position(key SourceKey) (p Position, ok bool) {
	s.sources.mu.Lock()
	defer s.sources.mu.Unlock()
	src := s.sources.at[key]
	if src == nil {
		return Position{}, false
	}
	return src.durable, true
}

// Forget takes a source out of the table, as if it had never been; done is
// called as committed of [Store.Submit] is. Ranges of it that are still on their
// way count as before it.
func (s *Store) Forget(ctx context.Context, key SourceKey, done func(error)) error {
	if err := s.budget.acquire(ctx, batchOverhead); err != nil {
		return err
	}
	b := s.newBatch(time.Time{}, nil, batchOverhead)
	b.committed = done
	if src := s.sources.lock(key, false); src != nil {
		defer src.mu.Unlock()
		b.forget, b.advance.key = true, key
		src.accepted = advance{}
	}
	if err := s.queue.push(b); err != nil {
		s.dropBatch(b)
		return err
	}
	return nil
}

// commit notes that the batches are durable as far as they are to be.
func (t *sources) commit(batches []*batch, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range batches {
		switch src := t.at[b.advance.key]; {
		case b.sourced:
			src.durable = moved(src.durable, &b.advance, now)
		case b.forget && src != nil:
			src.durable = Position{}
		}
	}
}

// moved is where a source at p stands after a. First and Skipped are right as
// long as each advance is taken once.
func moved(p Position, a *advance, seen int64) Position {
	if p.Offset == 0 {
		p.First = a.from
	} else {
		p.Skipped += max(0, a.from-p.Offset)
	}
	p.Offset, p.Anchor, p.Seen = a.to, a.anchor, seen
	return p
}

// prune takes a forgotten source out of the table, unless it began again.
func (t *sources) prune(key SourceKey) {
	src := t.lock(key, false)
	if src == nil {
		return
	}
	defer src.mu.Unlock()
	if src.accepted.to == 0 {
		t.mu.Lock()
		delete(t.at, key)
		t.mu.Unlock()
	}
}

// Source is one line of the list of sources.
type Source struct {
	SourceKey
	Position
}

// Sources lists all sources, by peer and id.
func (s *Store) Sources() []Source {
	entries := s.sources.snapshot()
	list := make([]Source, len(entries))
	for i, e := range entries {
		list[i] = Source{e.key, e.Position}
	}
	slices.SortFunc(list, func(a, b Source) int {
		return cmp.Or(cmp.Compare(a.Peer, b.Peer), slices.Compare(a.ID[:], b.ID[:]))
	})
	return list
}

// snapshot is the positions as committed.
func (t *sources) snapshot() []sourceEntry {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]sourceEntry, 0, len(t.at))
	for key, src := range t.at {
		if src.durable != (Position{}) {
			list = append(list, sourceEntry{key, src.durable})
		}
	}
	return list
}

// restore sets the position of a source that was read from the disk.
func (t *sources) restore(key SourceKey, p Position) {
	t.at[key] = &source{accepted: advance{key: key, to: p.Offset, anchor: p.Anchor}, durable: p}
}
