package logstore

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs"
)

var testKey = SourceKey{Peer: "web1.example", ID: delivery.SourceID{1, 2, 3}}

func TestRecordsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, rec := range []batchRecord{
		{},
		{extents: []extent{{1, 0, 5}, {300, 1 << 40, 0}}, data: []byte("data\n")},
		{sources: []advance{{testKey, 0, 1 << 50, 0xdeadbeef}, {SourceKey{}, 7, 8, 0}}, extents: []extent{{2, 9, 1}}, data: []byte("x")},
		{diverted: 3, upto: 70, extents: []extent{{1, 0, 2}}, data: []byte("a\n")},
	} {
		typ := recBatch
		if rec.diverted != 0 {
			typ = recDivert
		}
		payload := append(rec.appendHead(nil), rec.data...)
		var got batchRecord
		require.NoError(t, got.decode(typ, payload))
		require.Equal(t, rec.diverted, got.diverted)
		require.Equal(t, rec.upto, got.upto)
		require.ElementsMatch(t, rec.sources, got.sources)
		require.ElementsMatch(t, rec.extents, got.extents)
		require.Equal(t, string(rec.data), string(got.data))
		for n := range payload {
			require.ErrorIs(t, got.decode(typ, payload[:n]), errRecord, "cut to %d bytes", n)
		}
	}
}

func TestCheckpointRoundTrip(t *testing.T) {
	t.Parallel()
	id := vfs.Identity{Handle: "handle", Inode: 7, Birth: 1 << 60}
	c := checkpoint{
		store: [16]byte{1}, lsn: 99, self: id, next: 3,
		files:   []fileEntry{{1, "a.log", placement{id, 5, 6, 7, 8}}, {2, "b.log", placement{}}},
		sources: []sourceEntry{{testKey, Position{Offset: 9, Anchor: 10, Seen: 11, First: 4, Skipped: 2}}},
	}
	b := c.encode()
	got, err := decodeCheckpoint(checkpointName, b)
	require.NoError(t, err)
	require.Equal(t, c, *got)
	for i := range b {
		_, err := decodeCheckpoint(checkpointName, b[:i])
		require.ErrorIs(t, err, errCheckpoint)
		b[i] ^= 0x10
		if _, err = decodeCheckpoint(checkpointName, b); i < 8 || i > 11 {
			require.ErrorIs(t, err, errCheckpoint, "byte %d", i)
		}
		require.Error(t, err)
		b[i] ^= 0x10
	}
	binary.LittleEndian.PutUint32(b[8:], checkpointVersion+1)
	_, err = decodeCheckpoint(checkpointName, b)
	var newer *CheckpointVersionError
	require.ErrorAs(t, err, &newer)
	require.EqualError(t, err, "state.ckpt has format version 3, this program knows versions up to 2: start the newer program that wrote it")
}

func FuzzRecord(f *testing.F) {
	rec := batchRecord{sources: []advance{{testKey, 0, 5, 6}}, extents: []extent{{1, 0, 5}}, data: []byte("data\n")}
	f.Add(recBatch, append(rec.appendHead(nil), rec.data...))
	f.Add(recFile, appendText(binary.AppendUvarint(nil, 1), "a.log"))
	f.Fuzz(func(t *testing.T, typ byte, payload []byte) {
		r := recovery{files: map[uint64]*redo{1: {number: 1}}, sources: map[SourceKey]Position{}}
		_ = r.take(typ, payload) // errors are fine, a panic is not
		_ = describe(typ, payload)
		var b batchRecord
		if b.decode(recBatch, payload) == nil {
			total := 0
			for _, e := range b.extents {
				total += e.length
			}
			require.Len(t, b.data, total)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	c := checkpoint{files: []fileEntry{{1, "a.log", placement{}}}, sources: []sourceEntry{{testKey, Position{Offset: 9, Anchor: 10, Seen: 11, First: 4, Skipped: 2}}}}
	f.Add(c.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := decodeCheckpoint(checkpointName, b); err == nil {
			again, err := decodeCheckpoint(checkpointName, c.encode())
			require.NoError(t, err)
			require.Equal(t, c, again)
		}
	})
}
