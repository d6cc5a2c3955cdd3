package logstore

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawRegexp draws a regular expression over few letters.
func drawRegexp(r *rapid.T, depth int) string {
	atom := rapid.SampledFrom([]string{"a", "b", "ab", ".", "[ab]", "[^a]", "é", "[é-ü]", "^", "$", `\d`, `\w`, "(?i:aB)", "", `\b`, "日", `\x{FFFD}`, `(?m:^)b`, `(?m:a$)`}).Draw(r, "atom")
	if depth == 0 {
		return atom
	}
	x, y := drawRegexp(r, depth-1), drawRegexp(r, depth-1)
	switch rapid.IntRange(0, 7).Draw(r, "op") {
	case 0:
		return x + y
	case 1:
		return "(" + x + "|" + y + ")"
	case 2:
		return "(?:" + x + ")*" + y
	case 3:
		return "(?:" + x + ")+?" + y
	case 4:
		return "(?:" + x + ")?" + y
	case 5:
		return "(?:" + x + "){2,3}" + y
	}
	return x
}

// Patterns match what package regexp matches.
func TestPatternMatchesAsRegexp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		text := drawRegexp(r, rapid.IntRange(0, 3).Draw(r, "depth"))
		re, err := regexp.Compile(text)
		if err != nil || text == "" {
			r.Skip("no expression")
		}
		p, err := NewPattern(text, false, false)
		require.NoError(r, err)
		fold, err := NewPattern(text, false, true)
		require.NoError(r, err)
		for range 20 {
			line := rapid.StringMatching(`[ab1é日B \x{FFFD}]{0,8}`).Draw(r, "line")
			if rapid.IntRange(0, 5).Draw(r, "broken") == 0 {
				line += "\xe6\x97"
			}
			require.Equal(r, re.MatchString(line), p.Match([]byte(line)), "%q in %q", text, line)
			require.Equal(r, regexp.MustCompile("(?i)"+text).MatchString(line), fold.Match([]byte(line)), "(?i)%q in %q", text, line)
			require.Equal(r, fmt.Sprint(re.FindAllStringIndex(line, -1)), fmt.Sprint(p.Find([]byte(line), 100)), "%q in %q", text, line)
		}
	})
}

// An expression with more states than are kept is matched all the same.
func TestPatternWithManyStates(t *testing.T) {
	t.Parallel()
	text := "[ab]*a[ab]{12}c"
	re := regexp.MustCompile(text)
	p, err := NewPattern(text, false, false)
	require.NoError(t, err)
	seed := uint32(1)
	// The long one is for the race detector, which takes automatons out of the pool
	// at random.
	for n := range 301 {
		line := make([]byte, 200)
		letters := "aaabbbc"
		if n == 300 {
			line, letters = make([]byte, 200_000), "ab"
		}
		for i := range line {
			seed = seed*1664525 + 1013904223
			line[i] = letters[seed>>16%uint32(len(letters))]
		}
		require.Equal(t, re.Match(line), p.Match(line))
	}
	require.True(t, p.slow.Load())
}

func TestLiteralIndex(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		literal := rapid.StringMatching(`[ab=]{1,5}`).Draw(r, "literal")
		text := strings.Repeat(rapid.StringMatching(`[ab=]{0,9}`).Draw(r, "text"), rapid.IntRange(1, 50).Draw(r, "times"))
		p, err := NewPattern(literal, true, false)
		require.NoError(r, err)
		require.Equal(r, strings.Index(text, literal), p.literals[0].index([]byte(text)))
	})
}

func TestRequiredLiteral(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"abc": "abc", "a.c": "a", "uid=[0-9]+ failed": " failed", "(abc)+d": "abcd", "(?i)aBc": "abc", "(?i)speak": "pea", "abc|abd": "ab", "x(?:abc|d)": "x",
		"(abc){2}": "abcabc", "(abc)?": "", "^abc$": "abc", `\bword\b`: "word", "": "", "[a]bc": "abc", "a*bc": "bc", "\xff": "",
	} {
		p, err := NewPattern(text, false, false)
		if want == "" && err != nil {
			continue
		}
		require.NoError(t, err, text)
		have := ""
		if len(p.literals) > 0 {
			have = p.literals[0].text
		}
		if !strings.Contains(want, have) || want != "" && have == "" {
			t.Errorf("%q: %q, want %q", text, have, want)
		}
	}
}

func TestLastNewline(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		text := []byte(rapid.StringMatching(`[a\n\x{0b}\x{80}é]{0,40}`).Draw(r, "text"))
		require.Equal(r, bytes.LastIndexByte(text, '\n'), lastNewline(text))
	})
	text := bytes.Repeat([]byte{0xff}, 50)
	for i := range text {
		text[i] = '\n'
		require.Equal(t, i, lastNewline(text))
		text[i] = '\n' + 0x80
		require.Equal(t, -1, lastNewline(text[:i+1]))
		text[i] = '\n' + 1
		require.Equal(t, -1, lastNewline(text[:i+1]))
	}
}
