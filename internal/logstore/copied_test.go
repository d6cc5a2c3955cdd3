package logstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const stateOf = ".dalogd"

// A folder that was copied, with a state that may be of another time: what is in
// the write-ahead log is in the files once, and the positions of sources count
// only where the files are just what the state says.
func TestCopiedState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// make makes the folder dir out of copies: early (line 0 in the file, and 1
		// only in the log), late (0 to 3 in the file, and 4 only in the log), and
		// rotated (0 to 5 in a compressed part).
		make  func(t *testing.T, dir, early, late, rotated string)
		same  bool // the store goes on
		lines string
	}{
		{"of one time", func(t *testing.T, dir, early, _, _ string) { copyAll(t, dir, early, early) }, true, "01"},
		{"of one time, later", func(t *testing.T, dir, _, late, _ string) { copyAll(t, dir, late, late) }, true, "01234"},
		{"of one time, rotated", func(t *testing.T, dir, _, _, rotated string) { copyAll(t, dir, rotated, rotated) }, true, "012345"},
		{"newer files", func(t *testing.T, dir, early, late, _ string) { copyAll(t, dir, early, late) }, false, "0123"},
		{"older files", func(t *testing.T, dir, early, late, _ string) { copyAll(t, dir, late, early) }, false, "04"},
		{"newer files, rotated meanwhile", func(t *testing.T, dir, _, late, rotated string) { copyAll(t, dir, late, rotated) }, false, "012345"},
		{"put back in place", func(t *testing.T, dir, early, late, _ string) {
			copyAll(t, dir, late, late)
			s, stop := runStore(t, Config{Dir: dir, segmentSize: 1 << 20})
			send(t, s, 5, 6)
			stop()
			require.NoError(t, os.RemoveAll(filepath.Join(dir, stateOf, walDir)))
			copyAll(t, dir, early, "")
		}, false, "012345"},
		{"put back in place with the files", func(t *testing.T, dir, early, late, _ string) {
			copyAll(t, dir, late, late)
			s, stop := runStore(t, Config{Dir: dir, segmentSize: 1 << 20})
			send(t, s, 5, 6)
			stop()
			require.NoError(t, os.RemoveAll(filepath.Join(dir, stateOf, walDir)))
			copyAll(t, dir, early, early)
		}, true, "01"},
		{"newer write-ahead log", func(t *testing.T, dir, early, late, _ string) {
			copyAll(t, dir, early, early)
			require.NoError(t, os.RemoveAll(filepath.Join(dir, stateOf, walDir)))
			copyFolder(t, filepath.Join(late, stateOf, walDir), filepath.Join(dir, stateOf, walDir))
		}, false, "04"},
		{"older write-ahead log", func(t *testing.T, dir, early, late, _ string) {
			copyAll(t, dir, late, late)
			require.NoError(t, os.RemoveAll(filepath.Join(dir, stateOf, walDir)))
			copyFolder(t, filepath.Join(early, stateOf, walDir), filepath.Join(dir, stateOf, walDir))
		}, true, "0123"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			at := func(name string) string { return filepath.Join(root, name) }
			cfg := Config{Dir: at("log"), segmentSize: 1 << 20}
			take := func(name string, first, last int) [16]byte {
				s, stop := runStore(t, cfg)
				send(t, s, first, last)
				stop()
				s, err := Open(cfg)
				require.NoError(t, err)
				r, msgs := testRange(last, last+1)
				require.NoError(t, s.SubmitRange(t.Context(), testTime, r, msgs, func(err error) { require.NoError(t, err) }))
				_, err = s.commitStep(t.Context())
				require.NoError(t, err)
				id, ok := s.ID()
				require.True(t, ok)
				require.NoError(t, s.Close())
				copyFolder(t, cfg.Dir, at(name))
				return id
			}
			take("early", 0, 1)
			id := take("late", 2, 4)
			cfg.RotateSize = 100 // the next line makes a part of the file
			s, stop := runStore(t, cfg)
			send(t, s, 5, 6)
			eventually(t, func() bool { return s.Stats().Packed == 1 }, "a compressed part")
			stop()
			copyFolder(t, cfg.Dir, at("rotated"))
			cfg.RotateSize = 0

			var logged logBuffer
			cfg = Config{Dir: at("made"), segmentSize: 1 << 20, Logger: logged.logger()}
			c.make(t, cfg.Dir, at("early"), at("late"), at("rotated"))
			for range 2 { // nothing changes any more
				s, stop = runStore(t, cfg)
				now, _ := s.ID()
				_, known := s.Position(testKey)
				text := wholeText(t, s, "worker.log")
				stop()
				require.Equal(t, c.same, now == id, logged.String())
				require.Equal(t, c.same, known)
				want := ""
				for _, text := range strings.Split(c.lines, "") {
					want += testHeader + text + "\n"
				}
				require.Equal(t, want, text, logged.String())
			}
			aside, err := filepath.Glob(filepath.Join(cfg.Dir, stateOf, "aside-*"))
			require.NoError(t, err)
			require.Equal(t, c.same, len(aside) == 0)
			require.Equal(t, !c.same, strings.Contains(logged.String(), "set_aside=aside-"))
		})
	}
}

// Of the states set aside the newest ones are kept.
func TestSetAsideIsBounded(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	for i := range keepAside + 3 {
		s, stop := runStore(t, Config{Dir: dir, segmentSize: 1 << 20})
		send(t, s, 0, 1)
		stop()
		for _, name := range []string{checkpointName, checkpointOld} {
			require.NoError(t, os.Remove(filepath.Join(dir, stateOf, name)))
		}
		aside, err := filepath.Glob(filepath.Join(dir, stateOf, asidePrefix+"*"))
		require.NoError(t, err)
		require.Len(t, aside, min(i, keepAside))
	}
}

// send submits lines first to before last of the test's source.
func send(t *testing.T, s *Store, first, last int) {
	t.Helper()
	done := make(chan error, 1)
	r, msgs := testRange(first, last)
	require.NoError(t, s.SubmitRange(t.Context(), testTime, r, msgs, func(err error) { done <- err }))
	require.NoError(t, <-done)
	eventually(t, func() bool { return applied(s) }, "in the files")
}

// copyAll makes the state of dir that of the folder state, and the rest that of the
// folder files, where they are not empty. What is there is overwritten in place.
func copyAll(t *testing.T, dir, state, files string) {
	t.Helper()
	for from, isIt := range map[string]bool{state: true, files: false} {
		if state == files {
			isIt = false
		}
		if from == "" {
			continue
		}
		require.NoError(t, filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			name, err := filepath.Rel(from, path)
			if err != nil || state != files && isIt != strings.HasPrefix(name, stateOf) {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}))
	}
}

// wholeText is what a file and its one part hold.
func wholeText(t *testing.T, s *Store, name string) string {
	t.Helper()
	text := content(t, s, name)
	part, err := s.OpenFile(name + ".1")
	if errors.Is(err, fs.ErrNotExist) {
		return text
	}
	require.NoError(t, err)
	defer part.Close()
	b := make([]byte, part.Size)
	_, err = part.ReadAt(b, 0)
	require.NoError(t, err)
	return string(b) + text
}
