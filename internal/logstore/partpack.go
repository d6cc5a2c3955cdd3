package logstore

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/vfs"
)

// errWritten says that another process still writes to a closed part.
var errWritten = errors.New("another process writes to it")

// pack replaces the file of a part by a compressed one. Whenever it ends, the
// part is there, at least in one of both forms, and whoever has it open keeps
// what is open.
func (s *Store) pack(ctx context.Context, name string, part logPart) error {
	logs := s.folder.fs
	src, err := logs.OpenFile(part.path(name), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err == nil && isWritten(src) {
		err = errWritten
	}
	if err != nil {
		return err
	}
	draft := partPath(name, part.offset, draftSuffix)
	size, err := s.writePacked(ctx, draft, src, info, part.offset)
	if err == nil {
		after, statErr := src.Stat()
		if err = statErr; err == nil && (after.Size != info.Size || !after.ModTime.Equal(info.ModTime) || isWritten(src)) {
			err = errWritten
		}
	}
	if err == nil {
		err = s.parts.replace(name, part.offset, draft, logPart{
			offset: part.offset, size: info.Size, disk: size, modified: info.ModTime, packed: true,
		})
	}
	if err != nil {
		s.parts.discard(draft)
		return err
	}
	if err := logs.SyncDir(partsDir(name)); err != nil {
		return err
	}
	s.parts.discard(partPath(name, part.offset, plainSuffix))
	s.count.packed.Add(1)
	return nil
}

// writePacked writes the draft of a compressed part. It is durable on return,
// its name is not.
func (s *Store) writePacked(ctx context.Context, draft string, src vfs.File, info vfs.Info, offset int64) (size int64, err error) {
	if s.keeper.packer == nil {
		if s.keeper.packer, err = newPacker(s.parts.dec); err != nil {
			return 0, err
		}
	}
	dst, err := s.folder.fs.OpenFile(draft, os.O_RDWR|os.O_CREATE|os.O_EXCL, info.Mode.Perm())
	if err != nil {
		return 0, err
	}
	size, err = s.keeper.packer.pack(ctx, dst, src, note{offset: offset, size: info.Size, modified: info.ModTime})
	if err == nil {
		err = likeOwner(dst, info)
	}
	if err == nil {
		err = dst.Datasync()
	}
	return size, errors.Join(err, dst.Close())
}

// likeOwner gives f the owner of the file that it replaces.
func likeOwner(f vfs.File, of vfs.Info) error {
	info, err := f.Stat()
	if err != nil || info.UID == of.UID && info.GID == of.GID {
		return err
	}
	if err := f.Chown(int(of.UID), int(of.GID)); err != nil && os.Geteuid() == 0 {
		return err
	}
	return nil
}

// isWritten tells whether any process has f open for writing: only if none has,
// the kernel grants a lease for reading (fcntl(2), F_SETLEASE). Where it grants
// none for other reasons, nobody is taken to write.
func isWritten(f vfs.File) bool {
	file := f.OS()
	if file == nil {
		return false
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return false
	}
	written := false
	err = raw.Control(func(fd uintptr) {
		_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK)
		written = errors.Is(err, unix.EAGAIN)
		if err == nil {
			_, _ = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
		}
	})
	return written && err == nil
}
