package logstore

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/wal"
)

// InspectLog tells for a person what the write-ahead log in a folder holds,
// whatever state it is in, and whether a Store writes to it meanwhile.
func InspectLog(w io.Writer, dir string) error {
	fsys, err := vfs.Open(dir)
	if err != nil {
		return err
	}
	defer fsys.Close()
	segments, err := wal.Segments(fsys)
	if err != nil {
		return err
	}
	if len(segments) == 0 {
		return fmt.Errorf("there is no write-ahead log in %s", dir)
	}
	for _, seg := range segments {
		if seg.HeaderOK && seg.First == 0 {
			fmt.Fprintf(w, "%s: %d bytes, store %x, made ahead, no records yet, durable through %d\n", seg.Name, seg.Size, seg.Store, seg.Synced)
		} else if seg.HeaderOK {
			fmt.Fprintf(w, "%s: %d bytes, store %x, records from %d, durable through %d\n", seg.Name, seg.Size, seg.Store, seg.First, seg.Synced)
		} else {
			fmt.Fprintf(w, "%s: %d bytes, no readable header (version %d)\n", seg.Name, seg.Size, seg.Version)
		}
		next := seg.First
		for e, err := range wal.Entries(fsys, seg) {
			if err != nil {
				return err
			}
			if !e.OK {
				fmt.Fprintf(w, "  at %-10d %d bytes: %s\n", e.Offset, e.Length, e.Reason)
				continue
			}
			if seg.HeaderOK && e.LSN != next {
				fmt.Fprintf(w, "  at %-10d record %d is not of this segment's order, which is at %d\n", e.Offset, e.LSN, next)
				continue
			}
			next++
			fmt.Fprintf(w, "  at %-10d record %d, durable through %d: %s\n", e.Offset, e.LSN, e.Synced, describe(e.Type, e.Payload))
		}
	}
	return nil
}

// describe is a record in words.
func describe(typ byte, payload []byte) string {
	name := recordNames[typ]
	if name == "" {
		return fmt.Sprintf("unknown type %d, %d bytes", typ, len(payload))
	}
	d := decoder{b: payload}
	text := name
	switch typ {
	case recFile:
		text = fmt.Sprintf("%s %d is %q", name, d.uint(), d.text())
	case recPlace:
		text = fmt.Sprintf("%s file %d: ", name, d.uint())
		text += d.placement().String()
	case recForget:
		text = fmt.Sprintf("%s %s", name, d.key())
	default:
		var b batchRecord
		if err := b.decode(typ, payload); err != nil {
			return fmt.Sprintf("%s: %v", name, err)
		}
		if b.diverted != 0 {
			text += fmt.Sprintf(" instead of file %d up to %d", b.diverted, b.upto)
		}
		for _, a := range b.sources {
			text += fmt.Sprintf(" source %s %d to %d anchor %08x;", a.key, a.from, a.to, a.anchor)
		}
		for _, e := range b.extents {
			text += fmt.Sprintf(" file %d %d to %d;", e.file, e.start, e.start+int64(e.length))
		}
		return text
	}
	if err := d.end(); err != nil {
		return fmt.Sprintf("%s: %v", name, err)
	}
	return text
}

// InspectCheckpoint tells for a person what the checkpoints in a state folder
// say.
func InspectCheckpoint(w io.Writer, dir string) error {
	fsys, err := vfs.Open(dir)
	if err != nil {
		return err
	}
	defer fsys.Close()
	for _, name := range []string{checkpointName, checkpointOld} {
		c, err := readCheckpoint(fsys, name)
		if err != nil {
			if name == checkpointName {
				return fmt.Errorf("%s: %w", name, err)
			}
			fmt.Fprintf(w, "%s: %v\n", name, err)
			continue
		}
		fmt.Fprintf(w, "%s: store %x, all records through %d, %d files, %d sources, next file number %d\n", name, c.store, c.lsn, len(c.files), len(c.sources), c.next)
		slices.SortFunc(c.files, func(a, b fileEntry) int { return int(a.number) - int(b.number) })
		for _, f := range c.files {
			fmt.Fprintf(w, "  file %d %q: %s\n", f.number, f.name, f.placement)
		}
		for _, s := range c.sources {
			fmt.Fprintf(w, "  source %s: at %d, anchor %08x, last %s\n", s.key, s.Offset, s.Anchor, time.Unix(s.Seen, 0).UTC().Format(time.RFC3339))
		}
	}
	return nil
}

func (p placement) String() string {
	return fmt.Sprintf("own %d at byte %d, base %d, anchor %08x, inode %d, handle %x", p.own, p.size, p.base, p.anchor, p.identity.Inode, p.identity.Handle)
}
