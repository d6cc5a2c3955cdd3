package wal_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/dalog-project/dalog/internal/wal"
)

// FuzzReader reads any bytes as a segment: as they are, and behind a good header
// with each record's checksum made right, so that what lies behind the checksum
// is reached. Nothing may panic, and no record may be given out of order.
func FuzzReader(f *testing.F) {
	for _, s := range samples(f) {
		for _, content := range s.image {
			f.Add(content, uint64(0), false)
			f.Add(content[64:], uint64(1), true)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte, after uint64, mend bool) {
		if mend {
			content = wal.Mend(small.Store, 1, content)
		}
		img := image{fmt.Sprintf("%020d.wal", 1): content}
		fsys := img.load(t)
		segments, err := wal.Segments(fsys)
		if err != nil {
			t.Fatal(err)
		}
		off := int64(64)
		for e, err := range wal.Entries(fsys, segments[0]) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Offset != off || int64(len(e.Payload)) > int64(len(content)) {
				t.Fatalf("entry at %d, expected at %d", e.Offset, off)
			}
			off += e.Length
			if e.OK {
				off = e.Offset + (32+e.Length+7)/8*8
			}
		}
		if off < int64(len(content)) {
			t.Fatalf("entries end at %d of %d", off, len(content))
		}
		r, err := wal.OpenReader(fsys, small, after)
		for err == nil {
			last := r.Last()
			var rec wal.Record
			if rec, err = r.Next(); err == nil && (rec.LSN != last+1 || r.Last() != rec.LSN) {
				t.Fatalf("record %d follows %d", rec.LSN, last)
			}
		}
		corruption, version, store := (*wal.CorruptionError)(nil), (*wal.VersionError)(nil), (*wal.StoreError)(nil)
		if err != io.EOF && !errors.As(err, &corruption) && !errors.As(err, &version) && !errors.As(err, &store) {
			t.Fatal(err)
		}
		if corruption != nil {
			if _, err := wal.Salvage(fsys, small, after); err != nil {
				t.Fatal(err)
			}
		}
	})
}
