package logstore

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	plainSuffix  = ".log"
	packedSuffix = ".log.zst"
	draftSuffix  = ".log.zst.tmp"
)

func partsDir(name string) string { return name + ".d" }

func partPath(name string, offset int64, suffix string) string {
	return fmt.Sprintf("%s/%020d%s", partsDir(name), offset, suffix)
}

func (p logPart) path(name string) string {
	if p.packed {
		return partPath(name, p.offset, packedSuffix)
	}
	return partPath(name, p.offset, plainSuffix)
}

// parsePartName reads the name of a file below NAME.d.
func parsePartName(s string) (offset int64, suffix string, ok bool) {
	if len(s) < 20 {
		return 0, "", false
	}
	v, err := strconv.ParseUint(s[:20], 10, 63)
	suffix = s[20:]
	return int64(v), suffix, err == nil && (suffix == plainSuffix || suffix == packedSuffix || suffix == draftSuffix)
}

// splitNumber takes apart NAME.7.
func splitNumber(shown string) (name string, ok bool) {
	i := strings.LastIndexByte(shown, '.')
	if i < 0 || i+1 == len(shown) || shown[i+1] == '0' {
		return "", false
	}
	for _, c := range shown[i+1:] {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return shown[:i], true
}
