package relp

import (
	"fmt"
	"strconv"
)

const (
	maxDigits  = 9
	maxCommand = 32
	maxTxnr    = 999_999_999
	// maxHeader is the longest a frame can be without its data and LF.
	maxHeader = maxDigits + 1 + maxCommand + 1 + maxDigits + 1
)

var (
	errTxnr    = fmt.Errorf("%w: the transaction number is not 1 to 9 digits and a blank", ErrFrame)
	errCommand = fmt.Errorf("%w: the command is not 1 to 32 letters and a blank", ErrFrame)
	errLength  = fmt.Errorf("%w: the data length is not 1 to 9 digits and a blank, or 0 and a line feed", ErrFrame)
	errEnd     = fmt.Errorf("%w: no line feed behind the data", ErrFrame)
)

// header is a frame up to its data.
type header struct {
	txnr    uint32
	command []byte // a part of the buffer
	size    int    // DATALEN
	len     int    // bytes in front of the data
}

// parse reads the header at the start of b. Without an error, whole says
// whether all of it is there. Leading zeros are read over.
func (h *header) parse(b []byte) (whole bool, err error) {
	txnr, n := number(b)
	switch {
	case n == len(b) && n <= maxDigits:
		return false, nil
	case n == 0 || n > maxDigits || b[n] != ' ':
		return false, errTxnr
	}
	start := n + 1
	n = start
	for n < len(b) && n-start <= maxCommand && isLetter(b[n]) {
		n++
	}
	switch {
	case n == len(b) && n-start <= maxCommand:
		return false, nil
	case n == start || n-start > maxCommand || b[n] != ' ':
		return false, errCommand
	}
	command := b[start:n:n]
	start = n + 1
	size, n := number(b[start:])
	end := start + n
	switch {
	case end == len(b) && n <= maxDigits:
		return false, nil
	case n == 0 || n > maxDigits:
		return false, errLength
	case b[end] == ' ':
		end++
	case b[end] != '\n' || size != 0:
		return false, errLength
	}
	h.txnr, h.command, h.size, h.len = uint32(txnr), command, size, end
	return true, nil
}

// number reads the digits at the start of b; it stops behind the tenth.
func number(b []byte) (value, digits int) {
	for digits < len(b) && digits <= maxDigits && b[digits]-'0' <= 9 {
		value = value*10 + int(b[digits]-'0')
		digits++
	}
	return value, digits
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// cutter cuts the data of frames out of a buffer. Of data that is longer than
// what is to be kept, the rest is dropped as it arrives.
type cutter struct {
	dropped int // bytes of the frame at hand that are no longer in the buffer
}

// cut cuts the frame at the start of b, whose header is h. data is the first
// keep bytes of its data, which has at least as many, and rest what comes
// behind the frame. Where whole is false, the frame is not all there yet, and
// rest is what must be in front of the bytes to come.
func (c *cutter) cut(b []byte, h *header, keep int) (data, rest []byte, whole bool, err error) {
	kept := h.len + keep
	end := h.len + h.size + 1 - c.dropped
	if len(b) < end {
		if len(b) > kept {
			c.dropped += len(b) - kept
			b = b[:kept]
		}
		return nil, b, false, nil
	}
	c.dropped = 0
	if b[end-1] != '\n' {
		return nil, nil, false, errEnd
	}
	return b[h.len:kept:kept], b[end:], true, nil
}

// appendHeader appends a frame up to its data; without data, all of the frame.
func appendHeader(dst []byte, txnr uint32, command string, size int) []byte {
	dst = strconv.AppendUint(dst, uint64(txnr), 10)
	dst = append(dst, ' ')
	dst = append(dst, command...)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, uint64(size), 10)
	if size == 0 {
		return append(dst, '\n')
	}
	return append(dst, ' ')
}

func appendFrame(dst []byte, txnr uint32, command string, data []byte) []byte {
	dst = appendHeader(dst, txnr, command, len(data))
	if len(data) == 0 {
		return dst
	}
	dst = append(dst, data...)
	return append(dst, '\n')
}

// validCommand tells whether name may be the name of a command.
func validCommand(name string) bool {
	for i := range len(name) {
		if !isLetter(name[i]) {
			return false
		}
	}
	return len(name) > 0 && len(name) <= maxCommand
}
