package wal_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
	"github.com/dalog-project/dalog/internal/wal"
)

// TestSalvageCrashes ends the process or the power at each step of a salvage,
// and salvages again.
func TestSalvageCrashes(t *testing.T) {
	t.Parallel()
	s := samples(t)["many segments"]
	name := fmt.Sprintf("%020d.wal", 2)
	content := slices.Clone(s.image[name])
	content[100] ^= 1
	img := s.image.with(name, content)
	kept, damage := s.damaged(t, img, func(p place) bool { return p.file == name })
	require.Error(t, damage)
	for seed := range uint64(20) {
		for at := 1; ; at++ {
			disk := vfstest.New(vfstest.Options{Seed: seed, Page: 512})
			copyDurably(t, disk.Outside(), img)
			disk.CrashAt(at)
			_, err := wal.Salvage(disk.FS(), small, 0)
			finished := !disk.Crashed()
			if finished {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, vfstest.ErrCrashed)
			}
			if seed%2 == 0 {
				disk.Kill()
			} else {
				disk.PowerLoss()
			}
			_, err = wal.Salvage(disk.FS(), small, 0)
			require.NoError(t, err)
			got, _, err := read(disk.FS(), small, 0)
			require.NoError(t, err)
			require.Equal(t, s.want[:kept], got)
			after := save(t, disk.FS())
			for file, content := range img {
				if file >= name {
					require.True(t, holds(after, file, content), "%s is nowhere", file)
				}
			}
			if finished {
				require.Greater(t, at, 5)
				break
			}
		}
	}
}

// holds tells whether the content is in the file or in a copy set aside.
func holds(img image, file string, content []byte) bool {
	for name, c := range img {
		if strings.HasPrefix(name, file) && bytes.Equal(c, content) {
			return true
		}
	}
	return false
}

func copyDurably(t testing.TB, fsys vfs.FS, img image) {
	t.Helper()
	copyTo(t, fsys, img)
	for name := range img {
		f, err := fsys.OpenFile(name, 0, 0)
		require.NoError(t, err)
		require.NoError(t, f.Datasync())
		require.NoError(t, f.Close())
	}
	require.NoError(t, fsys.SyncDir("."))
}

// TestSalvageOnFullDisk changes nothing when there is no room for the copy.
func TestSalvageOnFullDisk(t *testing.T) {
	t.Parallel()
	s := samples(t)["many segments"]
	name := fmt.Sprintf("%020d.wal", 2)
	content := slices.Clone(s.image[name])
	content[100] ^= 1
	img := s.image.with(name, content)
	disk := vfstest.New(vfstest.Options{})
	copyTo(t, disk.Outside(), img)
	disk.SetFree(0, -1)
	_, err := wal.Salvage(disk.FS(), small, 0)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, img, save(t, disk.FS()))
	disk.SetFree(-1, -1)
	done, err := wal.Salvage(disk.FS(), small, 0)
	require.NoError(t, err)
	require.EqualValues(t, 3, done.First)
	require.EqualValues(t, 7, done.Last)
	require.Equal(t, name+".broken", done.SetAside[0])
}

// TestSalvageTwice keeps what was set aside before.
func TestSalvageTwice(t *testing.T) {
	t.Parallel()
	s := samples(t)["many segments"]
	name := fmt.Sprintf("%020d.wal", 2)
	content := slices.Clone(s.image[name])
	content[100] ^= 1
	img := s.image.with(name, content).with(name+".broken", []byte("earlier"))
	fsys := img.load(t)
	done, err := wal.Salvage(fsys, small, 0)
	require.NoError(t, err)
	require.Equal(t, name+".broken.1", done.SetAside[0])
	after := save(t, fsys)
	require.Equal(t, "earlier", string(after[name+".broken"]))
	segments, err := wal.Segments(fsys)
	require.NoError(t, err)
	require.Len(t, segments, 2+len(done.SetAside)+1)
	var names []string
	for _, s := range segments {
		names = append(names, s.Name)
	}
	require.Contains(t, names, name+".broken.1", "what was set aside can be looked at")
}
