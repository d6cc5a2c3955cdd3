package fault

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// A line is numbered, so that it can be accounted for, and checked, so that it
// cannot pass for another: "s03 n0000017 ....... crc=0a1b2c3d".

var padding = strings.Repeat("all work and no play makes jack a dull boy; ", 8)

// appendLine appends the text of line seq of a source.
func appendLine(dst []byte, source, seq int) []byte {
	start := len(dst)
	dst = fmt.Appendf(dst, "s%02d n%07d %s", source, seq, padding[:1+(seq*37+source*11)%200])
	return fmt.Appendf(dst, " crc=%08x", crc32.ChecksumIEEE(dst[start:]))
}

// parseLine reads the text at the end of a stored line. What stands before it,
// dalogd has added.
func parseLine(stored []byte) (source, seq int, err error) {
	at := bytes.Index(stored, []byte(": s"))
	if at < 0 {
		return 0, 0, fmt.Errorf("no line of ours")
	}
	text := stored[at+2:]
	end := bytes.LastIndex(text, []byte(" crc="))
	if end < 0 || len(text) != end+len(" crc=")+8 {
		return 0, 0, fmt.Errorf("no checksum at its end")
	}
	crc, err := strconv.ParseUint(string(text[end+len(" crc="):]), 16, 32)
	if err != nil || uint32(crc) != crc32.ChecksumIEEE(text[:end]) {
		return 0, 0, fmt.Errorf("the checksum does not fit")
	}
	if _, err := fmt.Sscanf(string(text), "s%d n%d ", &source, &seq); err != nil {
		return 0, 0, err
	}
	return source, seq, nil
}
