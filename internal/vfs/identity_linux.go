package vfs

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// handleFID asks name_to_handle_at for a handle that need not serve for opening
// the file, which more file systems have (Linux 6.5, AT_HANDLE_FID).
const handleFID = 0x200

// identityAt tells the identity of what name is in the folder at; flags are
// those of statx: AT_EMPTY_PATH or AT_SYMLINK_NOFOLLOW.
func identityAt(at int, name string, flags int) (Identity, error) {
	var stx unix.Statx_t
	err := ignoringEINTR(func() error {
		return unix.Statx(at, name, flags, unix.STATX_INO|unix.STATX_BTIME, &stx)
	})
	if err != nil {
		return Identity{}, err
	}
	id := Identity{Inode: stx.Ino}
	if stx.Mask&unix.STATX_BTIME != 0 {
		id.Birth = stx.Btime.Sec*1e9 + int64(stx.Btime.Nsec)
	}
	// name_to_handle_at follows no link unless told to.
	id.Handle, err = handleAt(at, name, flags&^unix.AT_SYMLINK_NOFOLLOW)
	return id, err
}

func handleAt(at int, name string, flags int) (string, error) {
	h, _, err := unix.NameToHandleAt(at, name, flags)
	if errors.Is(err, unix.EOPNOTSUPP) {
		h, _, err = unix.NameToHandleAt(at, name, flags|handleFID)
	}
	switch {
	case err == nil:
		return string(binary.LittleEndian.AppendUint32(nil, uint32(h.Type()))) + string(h.Bytes()), nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS),
		errors.Is(err, unix.EPERM), errors.Is(err, unix.EOVERFLOW):
		return "", nil // no such thing here
	}
	return "", err
}
