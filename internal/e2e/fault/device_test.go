package fault

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// The device beneath the file system fails in earnest: blocks that the file system
// has given out cannot be written. dalogd ends; what was acknowledged is there
// when the device has been mended. Every other time dalogd is started again before
// that, as soon as there are blocks, over a page cache that knows more than the
// device does; then the power fails.
func TestDeviceFails(t *testing.T) {
	t.Parallel()
	peers.NeedRoot(t, "mount file systems")
	fsck := need(t, "e2fsck")
	total, again := 0, 0
	n := 0
	for i := range repeat(t, 2, 40) {
		n++
		small := newTmpfs(t, "size=24m")
		image := small.folder("image")
		makeImage(t, image, "ext4", 512)
		d := mounted(t, "-o", "loop", image)
		d.writeByPage()
		s := newSetup(t, d.folder("log"))
		l := startLoad(t, s.addr, mix{relp: 3, programs: 5})
		p := s.run()
		ended := within(patience, p.Ended)
		p.examine()
		require.True(t, ended, "dalogd goes on although nothing can be written; acknowledged %d", l.acked())
		require.Equal(t, exitDisk, p.Wait(), "exit code\n%s", &p.output)
		time.Sleep(50 * time.Millisecond)
		acked := l.acked()
		out, err := exec.Command("mount", "-o", "remount,size=1g", small.dir).CombinedOutput()
		require.NoError(t, err, "%s", out)
		if i%2 == 1 {
			if p = s.start(); p.waitReady() { // unless the journal has failed too
				again++
				l.waitProgress(1)
				p.kill()
			}
		}
		d.shutdown()
		require.NoError(t, d.unmount())
		out, err = fsck.Command("-f", "-y", image).CombinedOutput()
		require.Contains(t, []int{0, 1}, exitCode(err), "e2fsck: %s", out) // 1: errors mended
		d.attach()
		a := s.settle(l)
		total += acked
		t.Logf("round %d, lines acknowledged before %d, in the end %d: %s", i, acked, l.acked(), a)
		l.end()
		require.NoError(t, d.unmount())
		require.NoError(t, small.unmount())
	}
	require.NotZero(t, total, "nothing was acknowledged before the failure")
	t.Logf("%d devices failed, dalogd was started again at once after %d, lines acknowledged before that %d", n, again, total)
}

func exitCode(err error) int {
	if failed, ok := err.(*exec.ExitError); ok {
		return failed.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}
