package logstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// aSummary is the file of a summary of three frames, and its part.
func aSummary() ([]byte, logPart) {
	s := newSummarizer(100)
	for f := range 3 {
		var b strings.Builder
		for i := range 700 {
			at := planStart.Add(time.Duration(1000*f+i) * 30 * time.Second)
			fmt.Fprintf(&b, "%s web%d celery: ERROR: line %d\n", at.Format(time.RFC3339), i%3, i)
		}
		s.add([]byte(b.String()), int64(b.Len()))
	}
	return s.end(5000).encode(), logPart{offset: 100, size: s.size, disk: 5000}
}

// decodeAll reads all of a summary's file that is checked when it is used.
func decodeAll(b []byte, part logPart) (s *summary, cells [][]counted) {
	n, ok := summaryHeadSize(b)
	if !ok || n > len(b) {
		return nil, nil
	}
	s, ok = decodeSummary(b[:n], part)
	if !ok {
		return nil, nil
	}
	for i := range s.grids {
		g := &s.grids[i]
		var all []counted
		if at := s.body + g.start; at+g.length <= len(b) {
			all, ok = g.cells(nil, b[at:at+g.length], len(s.writers))
			if !ok {
				all = nil
			}
		}
		cells = append(cells, all)
	}
	return s, cells
}

// Of a summary in which a bit is wrong, what is wrong is not used.
func TestDamagedSummary(t *testing.T) {
	t.Parallel()
	sound, part := aSummary()
	want, cells := decodeAll(sound, part)
	require.NotNil(t, want)
	require.Greater(t, len(want.grids), 1)
	lines := int64(0)
	for _, c := range cells[0] {
		lines += c.lines
	}
	require.EqualValues(t, 2100, lines)
	require.EqualValues(t, 2100, want.lines)
	for at := range want.filtersAt() * 8 {
		b := bytes.Clone(sound)
		b[at/8] ^= 1 << (at % 8)
		got, some := decodeAll(b, part)
		if at < int64(want.body)*8 {
			require.Nil(t, got, "bit %d", at)
			continue
		}
		require.Equal(t, want, got)
		for i, c := range some {
			if c != nil {
				require.Equal(t, cells[i], c, "bit %d", at)
			}
		}
	}
}

// Whatever stands in the file, also with checksums that are right, nothing
// breaks.
func FuzzSummary(f *testing.F) {
	sound, part := aSummary()
	f.Add(sound)
	f.Add(sound[:len(sound)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		decodeAll(b, part)
		if len(b) < summaryHead {
			return
		}
		le := binary.LittleEndian
		b = bytes.Clone(b)
		copy(b, summaryTitle[:])
		le.PutUint32(b[8:], summaryVersion)
		n := min(max(int(le.Uint32(b[summaryHead-4:])), summaryHead), len(b))
		le.PutUint32(b[summaryHead-4:], uint32(n))
		le.PutUint32(b[12:], summarySum(b[:n]))
		part := logPart{offset: int64(le.Uint64(b[16:])), size: int64(le.Uint64(b[24:])), disk: int64(le.Uint64(b[32:]))}
		s, ok := decodeSummary(b[:n], part)
		if !ok {
			return
		}
		for i := range s.grids {
			cells, ok := decodeCells(nil, b[n:], s.grids[i].grain, len(s.writers))
			if !ok {
				continue
			}
			for _, c := range cells {
				at := c.at * s.grids[i].grain
				if c.writer >= len(s.writers) || int(c.level) >= len(LevelNames) || at > mostTold || at < leastTold-s.grids[i].grain {
					t.Fatalf("cell %+v of %d writers", c, len(s.writers))
				}
			}
		}
	})
}
