package tail

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/vfs"
)

// handleFID asks name_to_handle_at for a handle that need not serve for opening
// the file; overlayfs gives no other (Linux 6.6, AT_HANDLE_FID).
const handleFID = 0x200

// identify tells the identity of an open file. Where no handle can be had the
// inode and the time of birth must do.
func identify(f *os.File) (vfs.Identity, error) {
	fd := int(f.Fd())
	var stx unix.Statx_t
	err := retryEINTR(func() error {
		return unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &stx)
	})
	if err != nil {
		return vfs.Identity{}, &os.PathError{Op: "statx", Path: f.Name(), Err: err}
	}
	id := vfs.Identity{Inode: stx.Ino}
	if stx.Mask&unix.STATX_BTIME != 0 {
		id.Birth = stx.Btime.Sec*1e9 + int64(stx.Btime.Nsec)
	}
	handle, _, err := unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH)
	if err != nil {
		handle, _, err = unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH|handleFID)
	}
	if err == nil {
		id.Handle = string(binary.LittleEndian.AppendUint32(nil, uint32(handle.Type()))) + string(handle.Bytes())
	}
	return id, nil
}
