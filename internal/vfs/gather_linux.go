package vfs

import "golang.org/x/sys/unix"

// maxVector is how many parts Linux takes in one call (UIO_MAXIOV).
const maxVector = 1024

// gather writes the parts by as few calls of write as it can. write is told how
// many bytes are done; what it leaves over is given to it again, so that a short
// write either goes on or meets its reason.
func gather(parts [][]byte, write func(batch [][]byte, done int) (int, error)) (written int, err error) {
	for len(parts) > 0 {
		batch := parts[:min(len(parts), maxVector)]
		parts = parts[len(batch):]
		for left := size(batch); left > 0; {
			n, err := retry(func() (int, error) { return write(batch, written) })
			if err != nil {
				return written, err
			}
			if n == 0 {
				return written, unix.EIO
			}
			written += n
			if left -= n; left > 0 {
				batch = after(batch, n)
			}
		}
	}
	return written, nil
}

func size(parts [][]byte) (n int) {
	for _, p := range parts {
		n += len(p)
	}
	return n
}

// after gives what follows the first n bytes of parts, which stay as they are.
func after(parts [][]byte, n int) [][]byte {
	for n >= len(parts[0]) {
		n -= len(parts[0])
		parts = parts[1:]
	}
	if n == 0 {
		return parts
	}
	return append([][]byte{parts[0][n:]}, parts[1:]...)
}
