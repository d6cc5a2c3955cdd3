package logstore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
	"github.com/dalog-project/dalog/internal/wal"
)

// commitOnly leaves lines in the write-ahead log that are in no file, as a crash
// does.
func commitOnly(t *testing.T, s *Store, msgs ...syslog.Message) {
	t.Helper()
	require.NoError(t, s.Submit(t.Context(), testTime, msgs, func(err error) { require.NoError(t, err) }))
	_, err := s.commitStep(t.Context())
	require.NoError(t, err)
}

// copyFolder copies files and folders plainly, as an upload does.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
}

// What was copied or restored, wholly or in part, never blocks the start, and
// nothing that is there is lost.
func TestRestoredFolders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(t *testing.T, dir string) (use string)
		same   bool // the store goes on under its id
		lines  []string
	}{
		{"nothing", func(t *testing.T, dir string) string { return dir }, true, []string{"one", "two"}},
		{"copied with its state", func(t *testing.T, dir string) string {
			to := dir + ".copy"
			copyFolder(t, dir, to)
			return to
		}, true, []string{"one", "two"}},
		{"copied without its state", func(t *testing.T, dir string) string {
			to := dir + ".copy"
			copyFolder(t, dir, to)
			require.NoError(t, os.RemoveAll(filepath.Join(to, ".dalogd")))
			return to
		}, false, []string{"one"}},
		{"files replaced by copies", func(t *testing.T, dir string) string {
			files, err := filepath.Glob(filepath.Join(dir, "*.log"))
			require.NoError(t, err)
			for _, f := range files {
				b, err := os.ReadFile(f)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(f+".new", b, 0o600))
				require.NoError(t, os.Rename(f+".new", f))
			}
			return dir
		}, true, []string{"one", "two"}},
		{"files removed", func(t *testing.T, dir string) string {
			files, err := filepath.Glob(filepath.Join(dir, "*.log"))
			require.NoError(t, err)
			for _, f := range files {
				require.NoError(t, os.Remove(f))
			}
			return dir
		}, true, []string{"two"}},
		{"log without checkpoint", func(t *testing.T, dir string) string {
			require.NoError(t, os.Remove(filepath.Join(dir, ".dalogd", checkpointName)))
			require.NoError(t, os.Remove(filepath.Join(dir, ".dalogd", checkpointOld)))
			return dir
		}, false, []string{"one"}},
		{"checkpoint without log", func(t *testing.T, dir string) string {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, ".dalogd", walDir)))
			return dir
		}, true, []string{"one"}},
		{"checkpoint damaged", func(t *testing.T, dir string) string {
			require.NoError(t, os.WriteFile(filepath.Join(dir, ".dalogd", checkpointName), []byte("nonsense"), 0o600))
			return dir
		}, true, []string{"one", "two"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := Config{Dir: filepath.Join(t.TempDir(), "log"), segmentSize: 1 << 20}
			s, stop := runStore(t, cfg)
			submit(t, s, message("celery", "one"))
			stop()
			s, err := Open(cfg)
			require.NoError(t, err)
			commitOnly(t, s, message("celery", "two"))
			id := s.id
			require.NoError(t, s.Close())

			var logged logBuffer
			cfg.Logger = logged.logger()
			cfg.Dir = c.change(t, cfg.Dir)
			s, stop = runStore(t, cfg)
			require.Equal(t, c.same, s.id == id, logged.String())
			submit(t, s, message("celery", "three"))
			stop()
			want := ""
			for _, text := range append(c.lines, "three") {
				want += testHeader + text + "\n"
			}
			require.Equal(t, want, content(t, s, "worker.log"))
			aside, err := filepath.Glob(filepath.Join(cfg.Dir, ".dalogd", "aside-*"))
			require.NoError(t, err)
			if !c.same && c.name != "copied without its state" {
				require.Len(t, aside, 1)
				require.Contains(t, logged.String(), "set_aside=aside-")
			} else {
				require.Empty(t, aside)
			}
		})
	}
}

// Damage in the midst of the own log stops the start; salvage goes on without
// what is damaged, and says so.
func TestDamagedLog(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	s := twinStore(t, d, Config{})
	for _, text := range []string{"one", "two", "three"} {
		commitOnly(t, s, message("celery", text))
	}
	require.NoError(t, s.Close())
	name := ".dalogd/wal/00000000000000000001.wal"
	at := strings.Index(onDisk(t, d, name), "two")
	f, err := d.Outside().OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("???"), int64(at))
	require.NoError(t, err)

	_, err = openTwin(d.FS(), Config{})
	var damage *DamageError
	require.ErrorAs(t, err, &damage)
	require.ErrorContains(t, err, "--salvage")
	var corruption *wal.CorruptionError
	require.ErrorAs(t, err, &corruption)

	var logged logBuffer
	s = twinStore(t, d, Config{Salvage: true, Logger: logged.logger()})
	require.Contains(t, logged.String(), "00000000000000000001.wal.broken")
	startStore(t, s)()
	require.Equal(t, testHeader+"one\n", onDisk(t, d, "worker.log"))
}

func TestNewerFormatIsRefused(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	require.NoError(t, twinStore(t, d, Config{}).Close())
	f, err := d.Outside().OpenFile(".dalogd/"+checkpointName, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{9}, int64(len(checkpointMagic)))
	require.NoError(t, err)
	_, err = openTwin(d.FS(), Config{Salvage: true})
	require.ErrorContains(t, err, "start the newer program")
}
