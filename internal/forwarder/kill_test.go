package forwarder

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs"
)

// childEnv makes this binary something else than the tests: a server that
// discards, or a forwarder with the Config that it holds.
const childEnv = "DALOG_FORWARDER_TEST_CHILD"

func TestMain(m *testing.M) {
	switch text := os.Getenv(childEnv); text {
	case "":
		os.Exit(m.Run())
	case "discard":
		discard()
	default:
		var cfg Config
		if err := json.Unmarshal([]byte(text), &cfg); err != nil {
			panic(err)
		}
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
		f, err := Open(cfg)
		if err != nil {
			panic(err)
		}
		fmt.Println("open")
		panic(f.Run(context.Background()))
	}
}

// Killed again and again, at any moment, under load and with renames going on:
// no line is lost, each comes in order, and what comes again is what was sent
// after the positions were written last.
func TestKills(t *testing.T) {
	t.Parallel()
	kills, perKill := 30, 1000
	if testing.Short() {
		kills = 10
	}
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	cfg := newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6})
	cfg.SaveEvery = 10 * time.Millisecond
	text, err := json.Marshal(cfg)
	require.NoError(t, err)

	appendTo(t, path, "line 0\n")
	r := start(t, cfg) // what is rotated before the first look ever is old news
	s.waitFor("line 0")
	r.stop()
	written := 1
	for kill := range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+string(text))
		stderr := &lockedBuffer{}
		cmd.Stderr = stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = out.Read(make([]byte, 10))
		require.NoError(t, err, stderr)
		end := time.Now().Add(rand.N(150 * time.Millisecond))
		for i := 0; time.Now().Before(end) || i < 2; i++ {
			appendTo(t, path, numbered(written, written+perKill/10))
			written += perKill / 10
			if i == 1 && kill%3 == 0 {
				shift(t, path)
			}
			time.Sleep(5 * time.Millisecond)
		}
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		require.NotContains(t, stderr.String(), "panic")
		if kill%5 == 0 { // while it is down
			appendTo(t, path, numbered(written, written+perKill/10))
			written += perKill / 10
			shift(t, path)
		}
	}
	fsys, err := vfs.Open(cfg.StateDir)
	require.NoError(t, err)
	saved := int64(0)
	for _, k := range openedRegistry(t, fsys).Sources() {
		saved += k.Position.Offset
	}
	require.Greater(t, saved, int64(len("line 0\n")), "positions were written between the kills")
	r = start(t, cfg)
	s.waitFor(fmt.Sprint("line ", written-1))
	r.stop()

	texts := s.texts()
	again := requireAll(t, texts, numberedLines(0, written))
	highest := -1
	for i, text := range texts {
		n, err := strconv.Atoi(strings.TrimPrefix(text, "line "))
		require.NoError(t, err)
		require.LessOrEqual(t, n, highest+1, "a gap before frame %d", i)
		highest = max(highest, n)
	}
	t.Logf("%d lines, %d kills, %d frames came again", written, kills, again)
}

// shift renames path to path.1, path.1 to path.2 and so on.
func shift(t testing.TB, path string) {
	t.Helper()
	names, err := filepath.Glob(path + ".*")
	require.NoError(t, err)
	for n := len(names); n > 0; n-- {
		require.NoError(t, os.Rename(fmt.Sprintf("%s.%d", path, n), fmt.Sprintf("%s.%d", path, n+1)))
	}
	require.NoError(t, os.Rename(path, path+".1"))
}
