package logstore

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What sessions claim is idle from then on, also after the death of a store that
// has written nothing since.
func TestIdleSources(t *testing.T) {
	t.Parallel()
	s, stop := runStore(t, Config{Dir: t.TempDir()})
	defer stop()
	claimed, other := testKey, SourceKey{ID: [16]byte{99}}
	require.NotEqual(t, claimed, other)
	for _, key := range []SourceKey{claimed, other} {
		r, msgs := testRange(0, 1)
		r.Key = key
		done := make(chan error, 1)
		require.NoError(t, s.SubmitRange(t.Context(), testTime, r, msgs, func(err error) { done <- err }))
		require.NoError(t, <-done)
	}
	require.Equal(t, 2, s.SourceCount())
	now := time.Now()
	require.Empty(t, s.IdleSources(now.Add(-time.Minute)))
	require.ElementsMatch(t, []SourceKey{claimed, other}, s.IdleSources(now.Add(time.Hour)))
	later := now.Add(100 * 24 * time.Hour)
	s.Claimed([]SourceKey{claimed, {ID: [16]byte{98}}}, later)
	require.Equal(t, []SourceKey{other}, s.IdleSources(now.Add(time.Hour)))
	require.Eventually(t, func() bool { return !s.claimed.Load() }, 30*time.Second, 10*time.Millisecond, "a checkpoint")
	require.Eventually(t, func() bool {
		c, err := readCheckpoint(s.state, checkpointName)
		if err != nil {
			return false
		}
		for _, e := range c.sources {
			if e.key == claimed && e.Claimed == later.Unix() {
				return true
			}
		}
		return false
	}, 30*time.Second, 10*time.Millisecond)
	s.Claimed([]SourceKey{claimed}, later.Add(time.Hour))
	require.False(t, s.claimed.Load(), "less than a day later")
	p, _ := s.Position(claimed)
	require.EqualValues(t, 10, p.Offset)
	require.Less(t, p.Seen, later.Unix(), "that is when a batch came")
}

// Version 1 had no time of the last claim.
func TestCheckpointVersion1(t *testing.T) {
	t.Parallel()
	entry := sourceEntry{testKey, Position{Offset: 5, Anchor: 6, Seen: 7, First: 1, Skipped: 2}}
	b := (&checkpoint{lsn: 3, sources: []sourceEntry{entry}}).encode()
	b = b[:len(b)-4-1] // the crc, and the claimed of the only source: 0
	binary.LittleEndian.PutUint32(b[len(checkpointMagic):], 1)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	c, err := decodeCheckpoint("old", b)
	require.NoError(t, err)
	require.Equal(t, []sourceEntry{entry}, c.sources)
}
