package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"github.com/dalog-project/dalog/internal/vfs"
)

// The checkpoint file says where everything stood when all records of the
// write-ahead log up to its LSN were in the log files and these were durable.
// Numbers and text are as in records:
//
//	"DALOGCKP", version 4 bytes, store 16 bytes, lsn, self {identity}, next
//	files {file, name, own, size, base, anchor, identity}*
//	sources {peer, id 16 bytes, offset, anchor, seen, first, skipped, claimed}*
//	crc 4 bytes, over all before it
//
// Version 1 has no claimed. Every version keeps the magic and the version in place.
const (
	checkpointMagic   = "DALOGCKP"
	checkpointVersion = 2

	checkpointName = "state.ckpt"
	checkpointOld  = "state.ckpt.1" // the one before
	checkpointNew  = "state.ckpt.new"
	maxCheckpoint  = 1 << 30
)

// checkpoint is the content of a checkpoint file.
type checkpoint struct {
	store [16]byte
	lsn   uint64
	// self is the identity of the file that it was written to. Each one is written
	// to a new file: that another one holds it tells that it is a copy.
	self    vfs.Identity
	moved   bool   // it is; not written
	next    uint64 // the file number to be given next
	files   []fileEntry
	sources []sourceEntry
}

// fileEntry is what a checkpoint tells of a log file.
type fileEntry struct {
	number uint64
	name   string
	placement
}

// sourceEntry is what a checkpoint tells of a source.
type sourceEntry struct {
	key SourceKey
	Position
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c *checkpoint) encode() []byte {
	b := append([]byte(nil), checkpointMagic...)
	b = binary.LittleEndian.AppendUint32(b, checkpointVersion)
	b = append(b, c.store[:]...)
	b = binary.AppendUvarint(b, c.lsn)
	b = appendIdentity(b, c.self)
	b = binary.AppendUvarint(b, c.next)
	b = binary.AppendUvarint(b, uint64(len(c.files)))
	for i := range c.files {
		f := &c.files[i]
		b = binary.AppendUvarint(b, f.number)
		b = appendText(b, f.name)
		b = f.placement.append(b)
	}
	b = binary.AppendUvarint(b, uint64(len(c.sources)))
	for i := range c.sources {
		s := &c.sources[i]
		b = appendKey(b, s.key)
		b = binary.AppendUvarint(b, uint64(s.Offset))
		b = binary.LittleEndian.AppendUint32(b, s.Anchor)
		b = binary.AppendUvarint(b, uint64(max(0, s.Seen)))
		b = binary.AppendUvarint(b, uint64(s.First))
		b = binary.AppendUvarint(b, uint64(s.Skipped))
		b = binary.AppendUvarint(b, uint64(max(0, s.Claimed)))
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// errCheckpoint says that a file is no whole checkpoint.
var errCheckpoint = errors.New("checkpoint is damaged")

// CheckpointVersionError says that a checkpoint is of a format this program
// does not know.
type CheckpointVersionError struct {
	Name    string
	Version uint32
}

func (e *CheckpointVersionError) Error() string {
	return fmt.Sprintf("%s has format version %d, this program knows versions up to %d: start the newer program that wrote it",
		e.Name, e.Version, checkpointVersion)
}

// decodeCheckpoint reads a checkpoint file. Its errors are errCheckpoint and
// *CheckpointVersionError.
func decodeCheckpoint(name string, b []byte) (*checkpoint, error) {
	const headSize = len(checkpointMagic) + 4
	if len(b) < headSize+4 || string(b[:len(checkpointMagic)]) != checkpointMagic {
		return nil, errCheckpoint
	}
	version := binary.LittleEndian.Uint32(b[len(checkpointMagic):])
	if version > checkpointVersion {
		return nil, &CheckpointVersionError{name, version}
	}
	body := b[:len(b)-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[len(body):]) {
		return nil, errCheckpoint
	}
	d := decoder{b: body[headSize:]}
	c := new(checkpoint)
	if d.check(len(d.b) >= len(c.store)) {
		d.b = d.b[copy(c.store[:], d.b):]
	}
	c.lsn, c.self, c.next = d.uint(), d.identity(), d.uint()
	for range d.count(10) {
		c.files = append(c.files, fileEntry{number: d.uint(), name: d.text(), placement: d.placement()})
	}
	for range d.count(25) {
		s := sourceEntry{key: d.key(), Position: Position{
			Offset: d.int(), Anchor: d.uint32(), Seen: d.int(), First: d.int(), Skipped: d.int(),
		}}
		if version > 1 {
			s.Claimed = d.int()
		}
		c.sources = append(c.sources, s)
	}
	if d.end() != nil {
		return nil, errCheckpoint
	}
	return c, nil
}

// readCheckpoint reads the checkpoint file of this name.
func readCheckpoint(state vfs.FS, name string) (*checkpoint, error) {
	f, err := state.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size > maxCheckpoint {
		return nil, errCheckpoint
	}
	b := make([]byte, info.Size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	c, err := decodeCheckpoint(name, b)
	if err != nil {
		return nil, err
	}
	id, err := f.Identity()
	if err != nil {
		return nil, err
	}
	c.moved = !c.self.Same(id)
	return c, nil
}

// write makes c the checkpoint, durable on return. The one before stays under
// checkpointOld. An error leaves either of them in place; where the sync of the
// new one failed, or that of the folder, it is not [vfs.IsFull].
func (c *checkpoint) write(state vfs.FS) error {
	if err := state.Remove(checkpointNew); ignoreMissing(err) != nil {
		return err
	}
	f, err := state.OpenFile(checkpointNew, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	c.self, err = f.Identity()
	if err == nil {
		_, err = f.WriteAt(c.encode(), 0)
	}
	if err == nil {
		err = f.Datasync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := state.Rename(checkpointName, checkpointOld); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := state.Rename(checkpointNew, checkpointName); err != nil {
		return err
	}
	return state.SyncDir(".")
}
