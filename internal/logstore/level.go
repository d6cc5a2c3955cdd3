package logstore

import (
	"bytes"
	"fmt"
)

// Level is how grave a line is. The syslog severity is not stored, and apps
// hand everything over as debug: so it is what the line itself says.
type Level uint8

const (
	LevelNone Level = iota // nothing tells
	LevelDebug
	LevelInfo
	LevelNotice
	LevelWarning
	LevelError
	LevelCritical
)

// LevelNames are the names of all levels, by level.
var LevelNames = [...]string{"none", "debug", "info", "notice", "warning", "error", "critical"}

func (l Level) String() string { return LevelNames[l] }

// ParseLevel reads a name of LevelNames, none excepted, or a usual other one.
func ParseLevel(s string) (Level, error) {
	for i, name := range LevelNames[1:] {
		if s == name {
			return Level(i + 1), nil
		}
	}
	switch s {
	case "warn":
		return LevelWarning, nil
	case "err":
		return LevelError, nil
	case "crit", "fatal", "alert", "emerg":
		return LevelCritical, nil
	}
	return LevelNone, fmt.Errorf("%q is none of debug, info, notice, warning, error, critical", s)
}

// longestLevel is the length of the longest of levelWords.
const longestLevel = len("EMERGENCY")

// levelZone is how far into a text its level may stand.
const levelZone = 160

// LevelOf tells how grave a line of this program is. guessed: the line does not
// say so in as many words.
func LevelOf(program, text []byte) (l Level, guessed bool) {
	if l := saidLevel(text); l != LevelNone {
		return l, false
	}
	return guessLevel(text), true
}

// saidLevel finds the word for a level where loggers put it:
//
//	ERROR: text, ERROR/MainProcess, [error], [core:error], level=error, "level": "error", - ERROR -,
//	ERROR behind nothing but a time
func saidLevel(text []byte) Level {
	zone := text[:min(len(text), levelZone)]
	plain := true // no letter so far
	for i := 0; i < len(zone); {
		if !letters[zone[i]] {
			i++
			continue
		}
		start := i
		for i < len(zone) && letters[zone[i]] {
			i++
		}
		if i-start <= longestLevel {
			if l := levelWord(zone[start:i]); l != LevelNone && said(zone, start, i, plain) {
				return l
			}
		}
		if i-start > 1 { // T and Z of a time are no words
			plain = false
		}
	}
	return LevelNone
}

// levelWord is the level that a word stands for, in capitals, in small
// letters, or with one capital: those of the programs that docassemble runs
// (Python, celery, nginx, apache, supervisor), and of syslog.
func levelWord(w []byte) Level {
	if len(w) < 3 {
		return LevelNone
	}
	var upper [longestLevel]byte
	small := w[len(w)-1] >= 'a'
	for i, c := range w {
		if i > 0 && (c >= 'a') != small {
			return LevelNone
		}
		upper[i] = c &^ 0x20
	}
	switch string(upper[:len(w)]) {
	case "TRACE", "TRAC", "BLAT", "DEBUG", "DEBG":
		return LevelDebug
	case "INFO":
		return LevelInfo
	case "NOTICE":
		return LevelNotice
	case "WARNING", "WARN":
		return LevelWarning
	case "ERROR", "ERR", "ERRO", "SEVERE":
		return LevelError
	case "CRITICAL", "CRIT", "FATAL", "PANIC", "ALERT", "EMERG", "EMERGENCY":
		return LevelCritical
	}
	return LevelNone
}

// said tells whether the word zone[start:end] stands where a logger puts the
// level. plain: only a time stands before it.
func said(zone []byte, start, end int, plain bool) bool {
	before, after := byte(0), byte(0)
	if start > 0 {
		before = zone[start-1]
	}
	if end < len(zone) {
		after = zone[end]
	}
	capitals := zone[end-1] < 'a'
	switch after {
	case ']':
		return before == '[' || before == ':' || before == ' '
	case '/': // celery: [2024-05-05 10:11:12,345: INFO/MainProcess]
		return capitals && (before == ' ' || before == '[') && plain
	case ':':
		return plain || capitals && (before == ' ' || before == '[')
	}
	if key := bytes.TrimRight(zone[:start], `"' `); len(key) > 0 && (key[len(key)-1] == '=' || key[len(key)-1] == ':') &&
		hasKey(bytes.TrimRight(key, `"' =:`)) {
		return true
	}
	if capitals && plain && (after == ' ' || after == 0 || after == '|' || after == '\t') {
		return true
	}
	return capitals && before == ' ' && after == ' ' && bytes.HasSuffix(zone[:start], []byte(" - ")) && bytes.HasPrefix(zone[end:], []byte(" - "))
}

// hasKey tells whether b ends in the name by which loggers call the level.
func hasKey(b []byte) bool {
	for _, key := range []string{"level", "lvl", "severity", "levelname"} {
		if n := len(b) - len(key); n >= 0 && string(b[n:]) == key && (n == 0 || !isLetter(b[n-1])) {
			return true
		}
	}
	return false
}

var (
	tracebackHead      = newLiteral("Traceback (most recent call last)", false)
	httpVersion        = newLiteral(" HTTP/", false)
	httpVersionOfUWSGI = newLiteral("(HTTP/", false)
)

// guessLevel tells the level by what a line is about: the head and the end of a
// Python traceback, and the status of an HTTP request.
func guessLevel(text []byte) Level {
	if tracebackHead.index(text[:min(len(text), 512)]) >= 0 || isException(text) {
		return LevelError
	}
	return statusLevel(text)
}

// isException recognises the last line of a traceback: module.SomeError: text.
func isException(text []byte) bool {
	i := 0
	for i < len(text) && (isLetter(text[i]) || isDigit(text[i]) || text[i] == '.' || text[i] == '_') {
		i++
	}
	if i == 0 || i < len(text) && text[i] != ':' {
		return false
	}
	name := text[:i]
	if dot := bytes.LastIndexByte(name, '.'); dot >= 0 {
		name = name[dot+1:]
	}
	return len(name) > 0 && name[0] >= 'A' && name[0] <= 'Z' &&
		(bytes.HasSuffix(name, []byte("Error")) || bytes.HasSuffix(name, []byte("Exception")))
}

// statusLevel reads the status of an access log line, "GET / HTTP/1.1" 502, and
// of uwsgi's, (HTTP/1.1 502).
func statusLevel(text []byte) Level {
	i := httpVersion.index(text)
	if i < 0 {
		if i = httpVersionOfUWSGI.index(text); i < 0 {
			return LevelNone
		}
	}
	rest := text[i+6:]
	j := bytes.IndexByte(rest, ' ')
	if j < 0 || j > 5 || len(rest) < j+4 {
		return LevelNone
	}
	status, ok := number(rest[j+1 : j+4])
	switch {
	case !ok || status < 100:
		return LevelNone
	case status >= 500:
		return LevelError
	case status >= 400:
		return LevelNotice
	}
	return LevelInfo
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// levelClues are texts of which a line contains one, in any letter case, that is
// at least as grave as l.
func levelClues(l Level) []*literal { return clues[l] }

var clues = func() (all [len(LevelNames)][]*literal) {
	for l, words := range [len(LevelNames)][]string{
		LevelDebug: {"trac", "blat", "debug", "debg"}, LevelInfo: {"info"}, LevelNotice: {"notice"}, LevelWarning: {"warn"},
		LevelError:    {"err", "severe", "exception", "traceback", "http/"},
		LevelCritical: {"crit", "fatal", "panic", "alert", "emerg"},
	} {
		for _, word := range words {
			for least := range l + 1 {
				all[least] = append(all[least], newLiteral(word, true))
			}
		}
	}
	return all
}()

var letters = func() (l [256]bool) {
	for c := range l {
		l[c] = isLetter(byte(c))
	}
	return l
}()
