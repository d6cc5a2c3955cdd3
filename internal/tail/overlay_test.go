package tail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// Containers keep their logs on overlayfs, which gives no ordinary handles. A
// file of the image changes its identity when it is first written to.
func TestOverlay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		require.NoError(t, os.Mkdir(at(name), 0o700))
	}
	require.NoError(t, os.WriteFile(at("lower/app.log"), []byte("image\n"), 0o600))
	mount := func() {
		options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", at("lower"), at("upper"), at("work"))
		err := unix.Mount("overlay", at("merged"), "overlay", 0, options)
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENODEV) {
			peers.Lacking(t, "overlayfs cannot be mounted here: ", err)
		}
		require.NoError(t, err)
	}
	mount()
	r := newRig(t, at("merged"), Config{}, "app.log")
	t.Cleanup(func() {
		r.tailer.Close()
		_ = unix.Unmount(at("merged"), 0)
	})
	r.look()
	r.want("image")
	r.append("app.log", "first write\n") // copies the file up
	r.look()
	r.step(11 * time.Second)
	r.want("first write")

	again := func() { // the container is started anew
		r.tailer.Close()
		require.NoError(t, unix.Unmount(at("merged"), 0))
		mount()
		r.start()
	}
	again()
	r.append("app.log", "second\n")
	r.look()
	r.want("second")
	r.append("app.log", "third\n")
	r.rename("app.log", "app.log.1")
	r.append("app.log", "fourth\n")
	again()
	r.look()
	r.want("third", "fourth")
	assert.Equal(t, 1, r.saw(FileFound)-1, "one new file, the second")
	r.remove("app.log")
	r.append("app.log", "fifth\n")
	again()
	r.look()
	r.want("fifth")
}
