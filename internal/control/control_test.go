package control

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestControl(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, socketName), nil, 0o600), "left behind")
	p := Program{"dalogd", dir, "--state-dir"}
	_, err := p.Ask("status")
	require.ErrorIs(t, err, ErrNotRunning)
	_, err = Program{"dalogd", dir + "/none", "--state-dir"}.Ask("status")
	require.ErrorIs(t, err, ErrNotRunning)
	assert.Contains(t, err.Error(), "no dalogd answers in")
	assert.Contains(t, err.Error(), "--state-dir")

	told := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- Serve(ctx, dir, slog.New(slog.DiscardHandler), Commands{
			"join": func(_ context.Context, words []string) ([]byte, error) { return []byte(strings.Join(words, "+")), nil },
			"fail": func(context.Context, []string) ([]byte, error) {
				return []byte("not told"), errors.Join(errors.New("one"), errors.New("two"))
			},
			"slow": func(context.Context, []string) ([]byte, error) {
				time.Sleep(50 * time.Millisecond)
				told <- struct{}{}
				return nil, nil
			},
		})
	}()
	require.Eventually(t, func() bool { _, err := p.Ask("join"); return err == nil }, 10*time.Second, 5*time.Millisecond)
	body, err := p.Ask("join", "a", "b")
	require.NoError(t, err)
	assert.Equal(t, "a+b", string(body))
	_, err = p.Ask("fail")
	assert.EqualError(t, err, "one; two")
	_, err = p.Ask("nothing")
	assert.ErrorContains(t, err, `unknown command "nothing"`)
	_, err = p.Ask("")
	assert.ErrorContains(t, err, "unknown command")
	require.NoError(t, p.Tell("slow"))
	select {
	case <-told:
	case <-time.After(10 * time.Second):
		t.Fatal("what nobody waits for is not done")
	}
	cancel()
	require.NoError(t, <-ended)
	_, err = p.Ask("join")
	assert.ErrorIs(t, err, ErrNotRunning)
}
