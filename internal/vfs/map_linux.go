package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// Map gives n bytes of f from off on, which is a multiple of the page size, as
// memory that is only to be read, until Unmap. The file must have them: to read
// what it has not, or what the disk cannot give, is a fault
// (runtime/debug.SetPanicOnFault).
func Map(f *os.File, off int64, n int) (data []byte, err error) {
	controlErr := control(f, func(fd int) error {
		data, err = unix.Mmap(fd, off, n, unix.PROT_READ, unix.MAP_SHARED)
		return err
	})
	return data, controlErr
}

// Unmap gives back what Map gave.
func Unmap(data []byte) error { return unix.Munmap(data) }
