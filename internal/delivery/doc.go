// Package delivery holds what both ends of a delivery must agree on: which
// source a byte belongs to, how far a source is delivered, and how to see that
// the bytes before that point are still the ones that were delivered.
//
// A source is one epoch of one incarnation of a file: its bytes are only ever
// appended to. Its name is a random [SourceID], never a path and never content.
// A [Position] is an offset with two anchors; a position whose anchors do not
// fit the file belongs to other content and must not be resumed.
package delivery
