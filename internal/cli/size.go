package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes, written plainly or as 64KiB, 1MiB and so on.
type ByteSize int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *ByteSize) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	digits := strings.TrimRight(s, "KMGTiBkmgtb")
	shift, ok := map[string]int{"": 0, "b": 0, "k": 10, "kib": 10, "m": 20, "mib": 20, "g": 30, "gib": 30, "t": 40, "tib": 40}[strings.ToLower(s[len(digits):])]
	v, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
	if err != nil || !ok || v > math.MaxInt64>>shift {
		return fmt.Errorf("%q is not a size such as 65536, 64KiB or 1MiB", s)
	}
	*n = ByteSize(v << shift)
	return nil
}
