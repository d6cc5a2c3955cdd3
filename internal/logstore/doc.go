// Package logstore keeps the central log files: it chooses the file of each
// message, writes the stored line, commits, and reads the files back.
//
// The promise to the caller: a message whose submission was confirmed stands in
// its file, whole, once, in the order of its submitter, and stays there. The
// files are plain text in one flat folder, always valid UTF-8, one line after
// the other; whatever else appends to them, renames or truncates them costs
// none of the lines that are written here. A reader sees only whole lines.
package logstore
