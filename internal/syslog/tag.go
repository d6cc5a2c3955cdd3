package syslog

import "bytes"

// readTag reads "program:", "program[pid]:" or "program[pid]" at the start of
// b, and what follows as the text. Where there is no tag, m stays as it is.
func readTag(b []byte, m *Message) {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	end := bytes.IndexByte(b, ' ')
	if end < 0 {
		end = len(b)
	}
	word := b[:end]
	if program, pid, ok := splitTag(word); ok {
		m.Program, m.PID = program, pid
		m.Text = b[end:]
		if len(m.Text) > 0 {
			m.Text = m.Text[1:]
		}
		return
	}
	readGluedTag(b, word, m)
}

// readGluedTag reads a tag that no blank follows: word is the first word of b.
func readGluedTag(b, word []byte, m *Message) {
	colon := bytes.IndexByte(word, ':')
	if colon < 1 || colon == len(word)-1 {
		return
	}
	program, pid, ok := splitTag(word[:colon+1])
	if !ok {
		return
	}
	text := b[colon+1:]
	switch next := text[0]; {
	case pid != nil:
	case next == '/', next == '\\', next == ':':
		return // a URL, a path, a name with colons
	case isDigit(next):
		if name := string(program); name != "CEF" && name != "LEEF" {
			return // a time, an address with a port
		}
		text = b // the prefix is part of the format
	}
	m.Program, m.PID, m.Text = program, pid, text
}

// splitTag takes a word that ends in a colon or a closing bracket apart.
func splitTag(word []byte) (program, pid []byte, ok bool) {
	n := len(word)
	if n == 0 || word[n-1] != ':' && word[n-1] != ']' {
		return nil, nil, false
	}
	if word[n-1] == ':' {
		n--
	}
	if n > 0 && word[n-1] == ']' {
		open := bytes.LastIndexByte(word[:n], '[')
		if open < 0 {
			return nil, nil, false
		}
		pid = word[open+1 : n-1]
		n = open
	}
	return word[:n], pid, isProgram(word[:n])
}

// isProgram tells whether a word may be the name of a program: it holds a
// letter, and nothing that only text holds.
func isProgram(name []byte) bool {
	if len(name) > maxField {
		return false
	}
	letter := false
	for _, c := range name {
		switch {
		case isLetter(c), c >= 0x80:
			letter = true
		case c <= ' ', c == 0x7f:
			return false
		case c == '"', c == '\'', c == ',', c == ';', c == '<', c == '>', c == '=', c == '{', c == '}', c == '|':
			return false
		}
	}
	return letter
}

// readTagUndated reads the tag of a message that has no time. A host before it
// is taken for one only where the tag has a PID, and without a priority the
// tag must have one itself: anything else may be the beginning of a sentence.
func readTagUndated(b []byte, afterPri bool, m *Message) {
	end := bytes.IndexByte(b, ' ')
	if end < 0 {
		end = len(b)
	}
	first := b[:end]
	program, pid, ok := splitTag(first)
	if !ok && end < len(b) && isHost(first) {
		second := b[end+1:]
		after := bytes.IndexByte(second, ' ')
		if after < 0 {
			after = len(second)
		}
		program, pid, ok = splitTag(second[:after])
		if !ok || pid == nil || second[after-1] != ':' {
			return
		}
		m.Host = first
		end += 1 + after
	}
	if !ok || pid == nil && !afterPri {
		return
	}
	m.Program, m.PID = program, pid
	m.Text = b[end:]
	if len(m.Text) > 0 {
		m.Text = m.Text[1:]
	}
}
