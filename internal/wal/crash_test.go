package wal_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
	"github.com/dalog-project/dalog/internal/wal"
)

var (
	episodes    = flag.Int("episodes", 4000, "crash episodes to run")
	episodeSeed = flag.Uint64("episode", 0, "run this one crash episode only")
)

// TestCrashes runs a log through lives that end anywhere, by death of the
// process or loss of power, with full disks and failing syncs in between, and
// asks after each what the package promises.
func TestCrashes(t *testing.T) {
	t.Parallel()
	if *episodeSeed != 0 {
		if err := newEpisode(*episodeSeed).run(); err != nil {
			t.Fatal(err)
		}
		return
	}
	var total tally
	for seed := range uint64(*episodes) {
		e := newEpisode(seed + 1)
		if err := e.run(); err != nil {
			t.Fatalf("%v\nagain with: go test ./internal/wal -run TestCrashes -episode %d", err, seed+1)
		}
		total.add(e.tally)
	}
	t.Logf("%d episodes: %+v", *episodes, total)
	for what, n := range map[string]int{
		"kills": total.Kills, "losses of power": total.PowerLosses, "crashes in recovery": total.InRecovery, "torn tails": total.Torn,
		"full disks": total.Full, "failed syncs": total.FailedSyncs, "segments used again": total.Trims, "segments made ahead": total.Aheads,
	} {
		if n < *episodes/50 {
			t.Errorf("%s: only %d, the test has lost its teeth", what, n)
		}
	}
}

type tally struct {
	Kills, PowerLosses, InRecovery, Torn, Full, FailedSyncs, Appended, Synced, Read, Trims, Aheads int
}

func (t *tally) add(o tally) {
	t.Kills += o.Kills
	t.PowerLosses += o.PowerLosses
	t.InRecovery += o.InRecovery
	t.Torn += o.Torn
	t.Full += o.Full
	t.FailedSyncs += o.FailedSyncs
	t.Appended += o.Appended
	t.Synced += o.Synced
	t.Read += o.Read
	t.Trims += o.Trims
	t.Aheads += o.Aheads
}

// episode is one log and what is known about it.
type episode struct {
	tally
	seed uint64
	rng  *rand.Rand
	disk *vfstest.Disk
	opt  wal.Options

	checkpoint uint64 // durable, in a place that does not fail
	synced     uint64 // what Sync promised
	written    uint64 // what Append promised to survive the process
	// possible are the contents that record i may have: more than one where an
	// append failed and another took its number.
	possible map[uint64][][]byte
	serial   int
	// size is that of all payloads, so that records of one life lie where those
	// of another one lay; 0 if they differ.
	size int
}

func newEpisode(seed uint64) *episode {
	rng := rand.New(rand.NewPCG(seed, 1))
	return &episode{
		seed: seed, rng: rng, possible: map[uint64][][]byte{},
		disk: vfstest.New(vfstest.Options{
			Seed: seed, Page: []int{64, 512, 4096}[rng.IntN(3)], Writeback: []float64{0, 0.05}[rng.IntN(2)],
			NoAllocate: rng.IntN(10) == 0,
		}),
		opt:  wal.Options{Store: [16]byte{1, 2, 3}, SegmentSize: []int64{4 << 10, 12 << 10}[rng.IntN(2)], Prepare: []time.Duration{0, 0, time.Hour}[rng.IntN(3)]},
		size: []int{0, 0, 20, 480}[rng.IntN(4)],
	}
}

func (e *episode) run() error {
	for range 2 + e.rng.IntN(5) {
		if e.rng.IntN(8) > 0 {
			e.disk.CrashAt(1 + e.rng.IntN(1<<e.rng.IntN(8)))
		}
		err := e.live()
		if err != nil && !errors.Is(err, vfstest.ErrCrashed) {
			return err
		}
		e.end()
	}
	e.disk.SetFree(-1, -1)
	_, err := e.recover()
	return err
}

// end ends the process, and maybe the power.
func (e *episode) end() {
	if e.rng.IntN(2) == 0 {
		e.disk.Kill()
		e.Kills++
		return
	}
	e.disk.PowerLoss()
	e.PowerLosses++
	e.written = max(e.synced, e.checkpoint)
}

// live is the life of a process.
func (e *episode) live() error {
	log, err := e.recover()
	if err != nil {
		if errors.Is(err, vfstest.ErrCrashed) {
			e.InRecovery++
		}
		return err
	}
	defer log.Close()
	for range e.rng.IntN(80) {
		switch n := e.rng.IntN(22); {
		case n >= 20:
			if err = log.Ahead(); vfs.IsFull(err) && !errors.Is(err, wal.ErrFailed) {
				e.Full++
				err = nil
			}
			e.Aheads++
		case n < 11:
			err = e.append(log)
		case n < 15:
			err = e.sync(log)
		case n < 17:
			err = e.trim(log)
		case n == 17:
			// With room for nothing new, or for a part of the next segment.
			e.disk.SetFree(e.rng.Int64N(2*e.opt.SegmentSize)*e.rng.Int64N(2), -1)
		case n == 18:
			e.disk.SetFree(-1, -1)
		case e.rng.IntN(4) == 0:
			e.disk.Inject(vfstest.Fault{Op: vfstest.Datasync | vfstest.SyncDir, After: e.rng.IntN(3), Err: syscall.EIO})
		default:
			e.disk.Inject(vfstest.Fault{Op: vfstest.Write, After: e.rng.IntN(4), Err: syscall.ENOSPC, Tear: e.rng.IntN(2000)})
		}
		if errors.Is(err, wal.ErrFailed) {
			if _, again := log.Append(1, nil); !errors.Is(again, wal.ErrFailed) {
				return e.wrong("goes on after %v: %v", err, again)
			}
			if _, again := log.Sync(); !errors.Is(again, wal.ErrFailed) {
				return e.wrong("syncs after %v: %v", err, again)
			}
			e.FailedSyncs++
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *episode) append(log *wal.Log) error {
	e.serial++
	size := e.size
	if size == 0 {
		size = e.rng.IntN(1 << e.rng.IntN(11))
	}
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(e.serial + i*7)
	}
	payload = fmt.Appendf(payload, "#%06d", e.serial)
	cut := e.rng.IntN(len(payload) + 1)
	next := e.last() + 1
	// Known before the call: it may be found even if the call never returns.
	e.possible[next] = append(e.possible[next], payload)
	lsn, err := log.Append(payload[0], [][]byte{payload[:cut], payload[cut:]})
	switch {
	case err == nil && lsn != next:
		return e.wrong("appended as %d, expected %d", lsn, next)
	case err == nil:
		e.written = lsn
		e.Appended++
	case vfs.IsFull(err) && !errors.Is(err, wal.ErrFailed):
		e.Full++
		return nil
	}
	return err
}

func (e *episode) last() uint64 { return e.written }

func (e *episode) sync(log *wal.Log) error {
	durable, err := log.Sync()
	if err != nil {
		return err
	}
	if durable != e.last() {
		return e.wrong("synced up to %d, appended up to %d", durable, e.last())
	}
	for lsn := e.synced + 1; lsn <= durable; lsn++ {
		// Only the last attempt can be there now.
		e.possible[lsn] = e.possible[lsn][len(e.possible[lsn])-1:]
	}
	e.synced = durable
	e.Synced++
	return nil
}

// trim makes a checkpoint, at what is durable or, as without sync, beyond.
func (e *episode) trim(log *wal.Log) error {
	through := e.synced
	if e.rng.IntN(3) == 0 {
		through = e.last()
	}
	e.checkpoint = max(e.checkpoint, through)
	e.Trims++
	return log.Trim(through)
}

// recover reads the log, compares it with what is known, makes a checkpoint and
// starts a new log.
func (e *episode) recover() (*wal.Log, error) {
	last, err := e.read()
	if err != nil {
		return nil, err
	}
	e.checkpoint = last
	log, err := wal.Create(e.disk.FS(), e.opt, last+1)
	if err != nil {
		if vfs.IsFull(err) {
			e.disk.SetFree(-1, -1)
			log, err = wal.Create(e.disk.FS(), e.opt, last+1)
		}
		if err != nil {
			return nil, err
		}
	}
	// What was not found must never be found again.
	for lsn := range e.possible {
		if lsn > last {
			delete(e.possible, lsn)
		}
	}
	e.written, e.synced = last, last
	return log, nil
}

// read reads the log twice: reading must change nothing.
func (e *episode) read() (uint64, error) {
	first, err := e.readOnce()
	if err != nil {
		return 0, err
	}
	second, err := e.readOnce()
	if err != nil {
		return 0, err
	}
	if first != second {
		return 0, e.wrong("read up to %d, then up to %d", first, second)
	}
	return first, nil
}

func (e *episode) readOnce() (uint64, error) {
	r, err := wal.OpenReader(e.disk.FS(), e.opt, e.checkpoint)
	if err != nil {
		return 0, e.failed("open", err)
	}
	defer r.Close()
	want := e.checkpoint
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, e.failed("read", err)
		}
		e.Read++
		want++
		if rec.LSN != want {
			return 0, e.wrong("record %d follows %d", rec.LSN, want-1)
		}
		known := false
		for _, p := range e.possible[rec.LSN] {
			known = known || bytes.Equal(p, rec.Payload) && rec.Type == p[0]
		}
		if !known {
			return 0, e.wrong("record %d was never appended so: %q", rec.LSN, rec.Payload)
		}
	}
	if r.Last() != want {
		return 0, e.wrong("Last is %d after record %d", r.Last(), want)
	}
	if need := max(e.synced, e.written); want < need {
		return 0, e.wrong("ends at %d, promised %d (synced %d, written %d)", want, need, e.synced, e.written)
	}
	if _, more := e.possible[want+1]; more {
		e.Torn++
	}
	return want, nil
}

func (e *episode) failed(what string, err error) error {
	if errors.Is(err, vfstest.ErrCrashed) {
		return err
	}
	return e.wrong("%s: %w", what, err)
}

func (e *episode) wrong(format string, args ...any) error {
	return fmt.Errorf("episode %d, after %d kills and %d losses of power: %w", e.seed, e.Kills, e.PowerLosses, fmt.Errorf(format, args...))
}
