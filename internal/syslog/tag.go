package syslog

import "bytes"

// tag is what names the program at the start of a text.
type tag struct {
	program, pid []byte // pid is nil where no brackets were
	next         int    // where the text goes on
}

func (t *tag) set(b []byte, m *Message) {
	m.Program, m.PID, m.Text = t.program, t.pid, b[t.next:]
}

// readTag reads the tag of a message that has a time. Where b does not begin
// with one, m stays as it is.
func readTag(b []byte, m *Message) {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	if t, ok := wordTag(b); ok {
		t.set(b, m)
	} else if t, ok := gluedTag(b); ok {
		t.set(b, m)
	} else if t, ok := formatTag(b); ok {
		t.set(b, m)
	}
}

// readTagUndated reads the tag of a message that has no time. A host before it
// is taken for one only where the tag has a PID, and without a priority the
// tag must have one itself: anything else may be the beginning of a sentence.
func readTagUndated(b []byte, afterPri bool, m *Message) {
	if isUptime(b) {
		return
	}
	if t, ok := wordTag(b); ok {
		if afterPri || t.pid != nil {
			t.set(b, m)
		}
		return
	}
	if !afterPri {
		return
	}
	if t, ok := formatTag(b); ok {
		t.set(b, m)
		return
	}
	host := b[:wordEnd(b)]
	if len(host) == len(b) || !isHost(host) {
		return
	}
	b = b[len(host)+1:]
	if t, ok := wordTag(b); ok && t.pid != nil && b[wordEnd(b)-1] == ':' {
		m.Host = host
		t.set(b, m)
	}
}

// wordTag reads "program:", "program[pid]:" or "program[pid]", which a blank
// or the end must follow.
func wordTag(b []byte) (t tag, ok bool) {
	end := wordEnd(b)
	t.program, t.pid, ok = splitTag(b[:end])
	t.next = min(end+1, len(b))
	return t, ok
}

// gluedTag reads a tag that text follows without a blank. Without a PID that
// must not make it the start of a URL, a path, a name with colons, a time, or
// an address with its port.
func gluedTag(b []byte) (t tag, ok bool) {
	word := b[:wordEnd(b)]
	colon := bytes.IndexByte(word, ':')
	if colon < 1 || colon == len(word)-1 {
		return t, false
	}
	t.program, t.pid, ok = splitTag(word[:colon+1])
	t.next = colon + 1
	if next := word[t.next]; t.pid == nil && (next == '/' || next == '\\' || next == ':' || isDigit(next)) {
		return t, false
	}
	return t, ok
}

// formatTag reads the prefix of ArcSight's and QRadar's formats, "CEF:0|" and
// "LEEF:1.0|", as the program. It belongs to the text as well.
func formatTag(b []byte) (t tag, ok bool) {
	for _, prefix := range [...]string{"CEF:", "LEEF:"} {
		if n := len(prefix); len(b) > n && string(b[:n]) == prefix && isDigit(b[n]) {
			return tag{program: b[:n-1]}, true
		}
	}
	return t, false
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
	if pid == nil && bytes.Contains(word[:n], pidEnd) {
		return nil, nil, false // "node[7]:info:", text behind a glued tag
	}
	return word[:n], pid, len(pid) <= maxField && isProgram(word[:n])
}

var pidEnd = []byte("]:")

// isProgram tells whether a word may be the name of a program: it holds a
// letter, and nothing that only text holds.
func isProgram(name []byte) bool {
	if len(name) > maxField {
		return false
	}
	var all, any class = inProgram, 0
	for _, c := range name {
		all &= classes[c]
		any |= classes[c]
	}
	return all&inProgram != 0 && any&letter != 0
}
