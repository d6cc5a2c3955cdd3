// Package wal is a write-ahead log: numbered records of opaque bytes in segment
// files, made durable by one fdatasync for many records.
//
// The promise to the caller: a record that [Log.Sync] has covered is given back
// by [Reader.Next], in order and unchanged, after any death of the process and
// any loss of power, or the reader says in plain words what is damaged; it never
// leaves it out silently, but for the limit below. A record that was appended and
// not synced may be there or not after a loss of power, and is there after the
// death of the process alone. No record is given that was never appended.
//
// Life of a log:
//
//	OpenReader(after)  records with an LSN above that of the checkpoint
//	...                the caller applies them and makes a new checkpoint durable
//	Create(next)       drops what was read, starts a fresh segment
//	Append, Sync, Trim, Ahead
//
// The end of a log is where no record can be read any more. Whether that is the
// torn tail of the last run or damage is told by the synced LSN that every record
// and segment carries, the highest one known to be durable when it was written:
// if anything readable behind the end says that the unreadable record had been
// durable, it is a [CorruptionError]. The limit: where damage hits the last
// synced records and nothing was written behind them, nothing says so, and they
// are taken for the torn tail.
//
// The format is in format.go and, with the reasons, in docs/formats/wal.md.
package wal
