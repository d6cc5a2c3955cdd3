package fault

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// disk is a file system of the test's own, which is unmounted at its end.
type disk struct {
	t     *testing.T
	dir   string   // where it is mounted
	mount []string // the arguments of mount(8)
}

// newTmpfs makes a file system in memory. options are mount's.
func newTmpfs(t *testing.T, options string) *disk {
	t.Helper()
	return mounted(t, "-t", "tmpfs", "-o", options, "tmpfs")
}

// newImage makes a file system of a kind in a sparse file of mib MiB.
func newImage(t *testing.T, kind string, mib int64) *disk {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	makeImage(t, image, kind, mib)
	return mounted(t, "-o", "loop", image)
}

func makeImage(t *testing.T, image, kind string, mib int64) {
	t.Helper()
	mkfs := need(t, "mkfs."+kind)
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, mib<<20))
	args := map[string][]string{"ext4": {"-q", "-F", "-m", "0"}, "xfs": {"-q", "-f"}}[kind]
	out, err := mkfs.Command(append(args, image)...).CombinedOutput()
	require.NoError(t, err, "mkfs.%s: %s", kind, out)
}

func mounted(t *testing.T, args ...string) *disk {
	t.Helper()
	peers.NeedRoot(t, "mount file systems")
	dir := t.TempDir()
	d := &disk{t: t, dir: dir, mount: append(args, dir)}
	d.attach()
	t.Cleanup(func() {
		err := d.unmount()
		if errors.Is(err, unix.EBUSY) {
			err = errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH))
		}
		if err != nil && !errors.Is(err, unix.EINVAL) { // not mounted any more
			t.Error(err)
		}
	})
	return d
}

// folder is a folder on the disk for dalogd, which may run as another user.
func (d *disk) folder(name string) string { return filepath.Join(d.dir, name) }

// attach mounts it. What lost its power before may still be there, and answer
// with EIO, as long as a mount namespace that was made meanwhile has it too.
func (d *disk) attach() {
	d.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		out, err := exec.Command("mount", d.mount...).CombinedOutput()
		require.NoError(d.t, err, "mount %v: %s", d.mount, out)
		if err = os.Chmod(d.dir, 0o755); errors.Is(err, unix.EIO) && time.Now().Before(deadline) {
			require.NoError(d.t, d.unmount())
			continue
		}
		require.NoError(d.t, err)
		return
	}
}

// writeByPage makes the loop device write one page at a time: Linux 6.18's takes
// a write that its file had room for in part for a whole one.
func (d *disk) writeByPage() {
	d.t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	require.NoError(d.t, err)
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[1] == d.dir {
			require.NoError(d.t, os.WriteFile("/sys/block/"+filepath.Base(f[0])+"/queue/max_sectors_kb", []byte("4"), 0))
			return
		}
	}
	d.t.Fatalf("%s is not mounted", d.dir)
}

// sync brings everything to the image.
func (d *disk) sync() {
	d.t.Helper()
	dir, err := os.Open(d.dir)
	require.NoError(d.t, err)
	defer dir.Close()
	require.NoError(d.t, unix.Syncfs(int(dir.Fd())))
}

// unmount waits for what the kernel still does with the files of a program that
// was killed just now.
func (d *disk) unmount() (err error) {
	for range 500 {
		if err = unix.Unmount(d.dir, 0); !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// FS_IOC_SHUTDOWN of Linux and its flag that leaves the journal in memory
// unwritten.
const (
	ioctlShutdown    = 0x8004587d
	shutdownNoFlush  = 2
	syncFileRangeAll = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
)

// losePower does to the disk what the loss of power does: what the kernel had not
// written is gone. Nobody may be writing. Afterwards it is mounted again.
func (d *disk) losePower() {
	d.t.Helper()
	d.shutdown()
	require.NoError(d.t, d.unmount())
	d.attach()
}

// shutdown makes the file system forget what is not written.
func (d *disk) shutdown() {
	d.t.Helper()
	f, err := os.Open(d.dir)
	require.NoError(d.t, err)
	flag := uint32(shutdownNoFlush)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), ioctlShutdown, uintptr(unsafe.Pointer(&flag)))
	require.NoError(d.t, f.Close())
	require.Zero(d.t, errno, "%v", errno)
}

// writeSome lets the kernel write parts of some files, as it does on its own
// account and in its own order.
func writeSome(t *testing.T, random *rand.Rand, dir string) {
	t.Helper()
	for _, name := range files(t, dir) {
		if random.IntN(3) > 0 {
			continue
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		require.NoError(t, err)
		info, err := f.Stat()
		require.NoError(t, err)
		switch size := info.Size(); {
		case random.IntN(4) == 0:
			require.NoError(t, f.Sync())
		case size > 0:
			from := random.Int64N(size)
			if random.IntN(2) == 0 { // the last pages without those before them
				from = max(0, size-1-random.Int64N(64<<10))
			}
			require.NoError(t, unix.SyncFileRange(int(f.Fd()), from, 1+random.Int64N(256<<10), syncFileRangeAll))
		}
		require.NoError(t, f.Close())
	}
}

// files are the regular files below dir.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			names = append(names, name)
		}
		return err
	}))
	return names
}

// fill leaves no byte of the disk free, and returns what frees them.
func (d *disk) fill() (free func()) {
	d.t.Helper()
	name := filepath.Join(d.dir, "ballast")
	f, err := os.Create(name)
	require.NoError(d.t, err)
	defer f.Close()
	size := int64(0)
	for chunk := int64(256 << 20); chunk >= 512; {
		if err := unix.Fallocate(int(f.Fd()), 0, size, chunk); err == nil {
			size += chunk
			continue
		} else if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EINTR) {
			require.NoError(d.t, err)
		}
		chunk /= 2
	}
	return func() {
		d.t.Helper()
		require.NoError(d.t, os.Remove(name))
	}
}

// fillInodes leaves no file to be created, and returns what makes room again.
func (d *disk) fillInodes() (free func()) {
	d.t.Helper()
	dir := filepath.Join(d.dir, "many")
	require.NoError(d.t, os.Mkdir(dir, 0o700))
	for n := 0; ; n++ {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(n)))
		if errors.Is(err, unix.ENOSPC) {
			break
		}
		require.NoError(d.t, err)
		require.NoError(d.t, f.Close())
	}
	return func() {
		d.t.Helper()
		require.NoError(d.t, os.RemoveAll(dir))
	}
}

// memoryFolder is a temporary folder in memory, where a test does without a
// disk: what matters to a killed process is the same there.
func memoryFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "dalog-fault-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}
