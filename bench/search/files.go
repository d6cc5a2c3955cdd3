package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// made tells what the files have.
type made struct {
	parts      int
	history    int64
	uid        string    // of one line in the middle of the history
	begin, end time.Time // of the history
	plainEnd   time.Time // of the file that is searched as it is
}

const partSize = 16 << 20

// makeFiles writes docassemble.log, the file that is searched as it is, and the
// parts of worker.log. What is there from an earlier run is kept.
func makeFiles(dir string) (made, error) {
	begin := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	w := newWriter(begin, 5*time.Millisecond)
	if err := w.file(filepath.Join(dir, "docassemble.log"), int64(*plain)<<20, "docassemble"); err != nil {
		return made{}, err
	}
	m := made{begin: begin, plainEnd: w.at}
	w = newWriter(begin, 30*time.Millisecond)
	if err := os.MkdirAll(filepath.Join(dir, "worker.log.d"), 0o755); err != nil {
		return m, err
	}
	for m.history < int64(*history)<<20 {
		path := filepath.Join(dir, "worker.log.d", fmt.Sprintf("%020d.log", m.history))
		if m.history >= int64(*history)<<19 && m.uid == "" {
			m.uid = "needle0123456789abcdefghijklmnop"
			w.needle = m.uid
		}
		if err := w.file(path, partSize, "celery"); err != nil {
			return m, err
		}
		m.history += w.written
		m.parts++
	}
	m.end = w.at
	return m, w.file(filepath.Join(dir, "worker.log"), 1000, "celery")
}

// A writer writes lines as docassemble's programs do, always the same ones.
type writer struct {
	random  *rand.Rand
	at      time.Time
	step    time.Duration
	needle  string
	written int64 // of the last file
	line    []byte
}

func newWriter(begin time.Time, step time.Duration) *writer {
	return &writer{random: rand.New(rand.NewPCG(1, 2)), at: begin, step: step}
}

// file writes lines of about size bytes, unless the file, or its compressed
// form, is there: then it only works out what they would be.
func (w *writer) file(path string, size int64, program string) (err error) {
	out := bufio.NewWriterSize(nil, 1<<20)
	_, err1 := os.Stat(path)
	_, err2 := os.Stat(path + ".zst")
	var f *os.File
	if errors.Is(err1, fs.ErrNotExist) && errors.Is(err2, fs.ErrNotExist) {
		if f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
		out.Reset(f)
	}
	for w.written = 0; w.written < size; {
		w.next(program)
		w.written += int64(len(w.line))
		if f != nil {
			if _, err := out.Write(w.line); err != nil {
				return err
			}
		}
	}
	if f == nil {
		return nil
	}
	return errors.Join(out.Flush(), f.Close())
}

func (w *writer) next(program string) {
	r := w.random
	w.at = w.at.Add(time.Duration(r.Int64N(int64(2 * w.step))))
	line := w.at.AppendFormat(w.line[:0], "2006-01-02T15:04:05.000000-07:00")
	number := func(before string, n int) {
		line = strconv.AppendInt(append(line, before...), int64(r.IntN(n)), 10)
	}
	number(" web", 4)
	line = append(append(append(append(append(line, ' '), program...), ": "...), program...), ": "...)
	number("ip=10.0.", 256)
	number(".", 256)
	number(" i=docassemble.demo:data/questions/q", 50)
	line = append(line, ".yml uid="...)
	if uid := w.needle; uid != "" {
		line = append(line, uid...)
		w.needle = ""
	} else {
		var b [16]byte
		binary.LittleEndian.PutUint64(b[:], r.Uint64())
		binary.LittleEndian.PutUint64(b[8:], r.Uint64())
		line = hex.AppendEncode(line, b[:])
	}
	number(" user=user", 500)
	line = append(line, "@example.org "...)
	if r.IntN(500) == 0 {
		line = append(line, "ERROR: something went wrong, "...)
	}
	number("answered question ", 1000)
	number(" in ", 3000)
	w.line = append(line, " ms\n"...)
}
