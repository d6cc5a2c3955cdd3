package main

import (
	"bytes"
	"io"
	"sync"
)

// lineWriter lets several programs write to one terminal, a line at a time.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer // under mu
}

func (l *lineWriter) writeLine(prefix string, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Nothing can be done for a terminal that has gone away.
	_, _ = l.w.Write(append(append([]byte(prefix), line...), '\n'))
}

// lineSplitter hands on what one program writes, line by line. It is for one
// goroutine at a time, as exec.Cmd uses it.
type lineSplitter struct {
	prefix string
	to     *lineWriter
	watch  func(line string) // may be nil

	partial []byte
}

func (s *lineSplitter) Write(b []byte) (int, error) {
	s.partial = append(s.partial, b...)
	for {
		line, rest, found := bytes.Cut(s.partial, []byte{'\n'})
		if !found {
			return len(b), nil
		}
		s.to.writeLine(s.prefix, line)
		if s.watch != nil {
			s.watch(string(line))
		}
		s.partial = rest
	}
}
