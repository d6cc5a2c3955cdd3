// Package tail follows log files: it finds them by path or pattern, knows which
// incarnation of a file it has before it, and hands on whole lines together
// with the position behind them.
//
// The promise to the caller: every line that a followed file ever held is
// handed on, in order within its source; the incarnations of one path come in
// the order they were made, each up to its end before the next one begins (what
// a program still writes to a rotated file afterwards comes when it is
// written). Memory does not grow with the backlog: the files are the buffer,
// and nothing is read ahead of [Tailer.Next].
//
// # Identity
//
// A file is known by its inode's handle and time of birth, never by path and
// never by content. Each epoch of an incarnation is a source with a random id,
// made durable through [Memory] before its first byte is handed on. A new epoch
// begins when the content is no longer the one that was read: the file is
// shorter than the offset, or the bytes before the offset have changed. They
// are compared at every read.
//
// # Order
//
// The files of a path are in order by their times of birth. Where these are the same,
// or are only those of a compressed form, their rotated names decide: numbers count
// back in time, dates forward, and the path itself is the newest. What goes on in a
// file that was emptied comes right after what it held before.
//
// A source that has read something waits until those before it have been read to the
// end they had then, even those that are found only while it waits.
//
// # Rotation
//
// A renamed file stays open and followed until it has been read to its end,
// everything is confirmed, and nothing was written to it for a while. Files
// that came and were renamed away between two looks are found beside the path
// under their rotated names (app.log.1, app.log-20261123).
//
// After copytruncate the unread end is read from the copy. What a rotated file is
// that shows beside a path which kept its file is told by its content: as long as
// it is a beginning of the path's file it is remembered as a copy, and not read.
// When the path's file has lost its content, the file that has the bytes before the
// position is its copy; one that begins alike and is shorter has been read; and what
// is neither, and not known, came and went unseen and is read from its beginning.
// Nothing is decided while names change.
//
// Compressed files (.gz, .zst, .bz2) are read where what is in them is nowhere
// else: the rest of a file that was rotated and compressed while nobody looked,
// and files that came and were compressed meanwhile. Each is looked through once,
// to see whose content it has, and what is wanted of it is unpacked to a file
// without a name. A file that is gone with bytes that were not read is told of.
//
// # Events
//
// A chunk ends where an event ends. What may go on, a traceback for instance, is
// held back for less than a tenth of a second and up to 64 KiB.
//
// # Waking
//
// Looking at the files again and again is the truth; inotify only shortens the
// wait for files that have been idle.
package tail
