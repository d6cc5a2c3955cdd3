package main

import (
	"fmt"
	"strconv"
	"strings"
)

// byteSize is a number of bytes, written with or without KiB or MiB behind it.
type byteSize int64

func (n *byteSize) UnmarshalText(b []byte) error {
	s, unit := strings.TrimSpace(string(b)), int64(1)
	for suffix, u := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20} {
		if number, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = strings.TrimSpace(number), u
			break
		}
	}
	v, err := strconv.ParseInt(s, 10, 32)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a size: write bytes, or a number with KiB or MiB", b)
	}
	*n = byteSize(v * unit)
	return nil
}
