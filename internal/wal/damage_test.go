package wal_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
	"github.com/dalog-project/dalog/internal/wal"
)

// place is where a record or the header of a segment is, and what it tells of.
type place struct {
	file     string
	from, to int64
	lsn      uint64 // 0 for a header
	synced   uint64
}

type sample struct {
	image  image
	after  uint64
	want   []string
	places []place
}

// samples are small logs of several shapes, with what is in them.
func samples(t testing.TB) map[string]sample {
	build := func(after uint64, fn func(fsys vfs.FS)) sample {
		fsys := vfstest.New(vfstest.Options{}).FS()
		fn(fsys)
		s := sample{image: save(t, fsys), after: after}
		segments, err := wal.Segments(fsys)
		require.NoError(t, err)
		for _, info := range segments {
			s.places = append(s.places, place{file: info.Name, to: 64, synced: info.Synced})
			for e, err := range wal.Entries(fsys, info) {
				require.NoError(t, err)
				if e.OK {
					s.places = append(s.places, place{file: info.Name, from: e.Offset, to: e.Offset + (32+e.Length+7)/8*8, lsn: e.LSN, synced: e.Synced})
				}
			}
		}
		s.want, _, err = read(fsys, small, after)
		require.NoError(t, err)
		require.NotEmpty(t, s.want)
		return s
	}
	create := func(fsys vfs.FS, next uint64) *wal.Log {
		log, err := wal.Create(fsys, small, next)
		require.NoError(t, err)
		return log
	}
	return map[string]sample{
		"one record": build(0, func(fsys vfs.FS) {
			writeLog(t, create(fsys, 1), []int{10}, 1)
		}),
		"synced often": build(0, func(fsys vfs.FS) {
			writeLog(t, create(fsys, 1), []int{10, 0, 7, 100, 300}, 1, 2, 4, 5)
		}),
		"never synced": build(0, func(fsys vfs.FS) {
			writeLog(t, create(fsys, 1), []int{900, 900, 900, 900, 900, 900})
		}),
		"many segments": build(0, func(fsys vfs.FS) {
			writeLog(t, create(fsys, 1), []int{1500, 1500, 1500, 90, 1500, 1500, 1500}, 2, 3, 5, 6)
		}),
		"next segment begun": build(0, func(fsys vfs.FS) {
			log := create(full{fsys}, 1)
			writeLog(t, log, []int{1000, 1000}, 2)
			_, err := log.Append(1, [][]byte{make([]byte, 3000)})
			require.True(t, vfs.IsFull(err), "%v", err)
		}),
		"checkpoint in the middle": build(2, func(fsys vfs.FS) {
			writeLog(t, create(fsys, 1), []int{700, 700, 700, 700, 2000, 700}, 1, 2, 3, 4)
		}),
		"segments used again": build(9, func(fsys vfs.FS) {
			log := create(fsys, 1)
			writeLog(t, log, []int{1500, 1500, 1500, 1500, 1500, 1500, 1500, 1500}, 2, 4, 6, 8)
			require.NoError(t, log.Trim(6))
			writeLog(t, log, []int{1500, 1500, 1500}, 10)
			require.NoError(t, log.Trim(9))
			writeLog(t, log, []int{20, 20}, 12)
		}),
	}
}

// full is a disk without room for records of 3,000 bytes.
type full struct{ vfs.FS }

func (f full) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	file, err := f.FS.OpenFile(name, flag, perm)
	return fullFile{file}, err
}

type fullFile struct{ vfs.File }

func (f fullFile) WritevAt(parts [][]byte, off int64) (int, error) {
	if len(parts[1]) == 3000 {
		return 0, syscall.ENOSPC
	}
	return f.File.WritevAt(parts, off)
}

// damaged reads a damaged log and asks for the law: all, or an error, or a
// prefix that ends where nothing readable says that there was more.
func (s sample) damaged(t *testing.T, img image, hit func(place) bool) (kept int, failure error) {
	got, last, err := read(img.load(t), small, s.after)
	require.LessOrEqual(t, len(got), len(s.want))
	require.Equal(t, s.want[:len(got)], got)
	require.Equal(t, s.after+uint64(len(got)), last)
	if err != nil {
		corruption := (*wal.CorruptionError)(nil)
		require.ErrorAs(t, err, &corruption)
		require.Equal(t, last+1, corruption.LSN, "%v", err)
		return len(got), err
	}
	if len(got) < len(s.want) {
		for _, p := range s.places {
			if !hit(p) {
				require.LessOrEqual(t, p.synced, last, "record %d in %s knows of more", p.lsn, p.file)
				require.NotEqual(t, last+1, p.lsn, "the next record is there, in %s at %d", p.file, p.from)
			}
		}
	}
	return len(got), nil
}

// mend asks that a log can be gone on with, after salvage if it must be.
func (s sample) mend(t *testing.T, img image, kept int, failure error) {
	fsys := img.load(t)
	last := s.after + uint64(kept)
	done, err := wal.Salvage(fsys, small, s.after)
	require.NoError(t, err)
	if failure == nil {
		require.Zero(t, done)
	} else {
		require.Equal(t, failure, error(done.Damage))
		require.Equal(t, last+1, done.First)
		require.GreaterOrEqual(t, done.Last, done.First)
		require.NotEmpty(t, done.SetAside)
		aside := save(t, fsys)
		for _, name := range done.SetAside {
			require.Equal(t, img[name[:24]], aside[name])
		}
	}
	got, salvaged, err := read(fsys, small, s.after)
	require.NoError(t, err)
	require.Equal(t, s.want[:kept], got)
	require.Equal(t, last, salvaged)

	log, err := wal.Create(fsys, small, last+1)
	require.NoError(t, err)
	writeLog(t, log, []int{30, 3000, 3000}, last+2)
	require.NoError(t, log.Close())
	got, _, err = read(fsys, small, last)
	require.NoError(t, err)
	require.Equal(t, []string{string(payload(last+1, 30)), string(payload(last+2, 3000)), string(payload(last+3, 3000))}, got)
	for _, name := range done.SetAside {
		require.Contains(t, save(t, fsys), name)
	}
}

func TestFlipEveryByte(t *testing.T) {
	t.Parallel()
	for name, s := range samples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused, shorter, silent := 0, 0, 0
			for _, file := range s.image.names(".wal") {
				for i := range s.image[file] {
					bits := []byte{0x01, 0xff, 0x80}[i%3]
					content := slices.Clone(s.image[file])
					content[i] ^= bits
					img := s.image.with(file, content)
					hit := func(p place) bool { return p.file == file && p.from <= int64(i) && int64(i) < p.to }
					kept, err := s.damaged(t, img, hit)
					inRecord := slices.ContainsFunc(s.places, func(p place) bool { return hit(p) && p.lsn > s.after })
					switch {
					case err != nil:
						refused++
					case kept < len(s.want):
						shorter++
						require.True(t, slices.ContainsFunc(s.places, hit), "%s at %d is of no use to anybody", file, i)
					default:
						silent++
						require.False(t, inRecord, "the flip at %d of %s went unseen", i, file)
					}
					if i%61 == 0 {
						s.mend(t, img, kept, err)
					}
				}
			}
			t.Logf("%d refused, %d taken for a torn tail, %d of no concern", refused, shorter, silent)
		})
	}
}

func TestCutEverywhere(t *testing.T) {
	t.Parallel()
	for name, s := range samples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, file := range s.image.names(".wal") {
				for n := range len(s.image[file]) + 1 {
					var content []byte
					if n > 0 { // gone at 0
						content = s.image[file][:n-1]
					}
					img := s.image.with(file, content)
					kept, err := s.damaged(t, img, func(p place) bool { return p.file == file && p.to > int64(n-1) })
					if n%61 == 0 {
						s.mend(t, img, kept, err)
					}
				}
			}
		})
	}
}

// TestTwoPlacesOfDamage has no law but that salvage gets through.
func TestTwoPlacesOfDamage(t *testing.T) {
	t.Parallel()
	for name, s := range samples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := 0; i < len(s.places); i++ {
				for j := i + 1; j < len(s.places); j++ {
					img := s.image
					for _, p := range []place{s.places[i], s.places[j]} {
						content := slices.Clone(img[p.file])
						content[p.from+3] ^= 0x40
						img = img.with(p.file, content)
					}
					kept, err := s.damaged(t, img, func(p place) bool { return p == s.places[i] || p == s.places[j] })
					fsys := img.load(t)
					_, failed := wal.Salvage(fsys, small, s.after)
					require.NoError(t, failed)
					got, _, failed := read(fsys, small, s.after)
					require.NoError(t, failed)
					require.LessOrEqual(t, len(got), kept, "%v", err)
				}
			}
		})
	}
}

func TestDamageBelowTheCheckpoint(t *testing.T) {
	t.Parallel()
	s := samples(t)["checkpoint in the middle"]
	for _, p := range s.places {
		if p.lsn == 1 || p.lsn == 2 {
			content := slices.Clone(s.image[p.file])
			content[p.from+40] ^= 1
			got, _, err := read(s.image.with(p.file, content).load(t), small, s.after)
			require.NoError(t, err)
			require.Equal(t, s.want, got)
		}
	}
}

func TestReadError(t *testing.T) {
	t.Parallel()
	s := samples(t)["many segments"]
	failed := errors.New("failed")
	for after := 0; ; after++ {
		disk := vfstest.New(vfstest.Options{})
		copyTo(t, disk.Outside(), s.image)
		disk.Inject(vfstest.Fault{After: after, Err: failed})
		got, _, err := read(disk.FS(), small, s.after)
		require.Equal(t, s.want[:len(got)], got)
		if err == nil {
			require.Equal(t, s.want, got)
			require.Greater(t, after, 10)
			return
		}
		require.ErrorIs(t, err, failed, "what cannot be read is neither torn nor damaged")
		require.NotErrorIs(t, err, io.EOF)
	}
}

// TestTornTailOfAReusedFile has what a loss of power may leave of a file that was
// on its way to be used again: a header half written, its old name, and records
// of the old torn tail.
func TestTornTailOfAReusedFile(t *testing.T) {
	t.Parallel()
	s := samples(t)["never synced"]
	name := fmt.Sprintf("%020d.wal", 1)
	content := slices.Clone(s.image[name])
	content[5], content[64] = 0, 0
	img := image{name: content}
	got, _, err := read(img.load(t), small, 0)
	require.NoError(t, err)
	require.Empty(t, got)
}

// TestNumbersStartAgain has a segment that goes back behind the one before it.
func TestNumbersStartAgain(t *testing.T) {
	t.Parallel()
	one, two := vfstest.New(vfstest.Options{}).FS(), vfstest.New(vfstest.Options{}).FS()
	writeLog(t, create(t, one, small, 1), []int{10, 10, 10}, 3)
	create(t, two, small, 1)
	writeLog(t, create(t, two, small, 3), []int{10}, 3)
	img := save(t, one)
	for name, content := range save(t, two) {
		img[name] = content
	}
	got, _, err := read(img.load(t), small, 0)
	corruption := (*wal.CorruptionError)(nil)
	require.ErrorAs(t, err, &corruption)
	require.ErrorContains(t, err, "starts again")
	require.Len(t, got, 3)
	got, _, err = read(img.load(t), small, 2)
	require.NoError(t, err)
	require.Len(t, got, 1, "behind a checkpoint, the later one counts")
}
