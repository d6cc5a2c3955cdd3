package syslog

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestAppendSafe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"plain text, with\ttab", "plain text, with\ttab"},
		{"\t", "\t"},
		{"seven..\x7f", `seven..\x7f`},
		{"a\nb\r\x00", `a\x0ab\x0d\x00`},
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"é € 😀 語", "é € 😀 語"},
		{"\u0080\u0085\u009f\u00a0", `\xc2\x80\xc2\x85\xc2\x9f` + "\u00a0"},
		{"\xe9t\xe9 \xff", `\xe9t\xe9 \xff`},
		{"cut: \xe2\x82", `cut: \xe2\x82`},
		{"overlong: \xc0\xaf", `overlong: \xc0\xaf`},
		{"surrogate: \xed\xa0\x80", `surrogate: \xed\xa0\x80`},
		{"beyond: \xf4\x90\x80\x80", `beyond: \xf4\x90\x80\x80`},
		{"replacement: \ufffd", "replacement: \ufffd"},
		{"bidi: \u202e\u2066 line: \u2028", "bidi: \u202e\u2066 line: \u2028"},
		{`a backslash: \x41 \\`, `a backslash: \x41 \\`},
	} {
		assert.Equal(t, c.want, string(AppendSafe(nil, []byte(c.in))), "%q", c.in)
		assert.Equal(t, "before "+c.want, string(AppendSafe([]byte("before "), []byte(c.in))), "%q", c.in)
		// At any distance from the words that are read at once.
		for n := range 33 {
			pad := strings.Repeat("p", n)
			assert.Equal(t, pad+c.want+pad, string(AppendSafe(nil, []byte(pad+c.in+pad))), "%q", c.in)
		}
	}
}

// safe is the definition, a rune at a time.
func safe(text string) string {
	var s strings.Builder
	for i, r := range text {
		size := utf8.RuneLen(r)
		if r == utf8.RuneError {
			_, size = utf8.DecodeRuneInString(text[i:])
		}
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError && size == 1 {
			for _, c := range []byte(text[i : i+size]) {
				fmt.Fprintf(&s, `\x%02x`, c)
			}
			continue
		}
		s.WriteString(text[i : i+size])
	}
	return s.String()
}

func checkSafe(t interface {
	Fatalf(string, ...any)
}, text string) {
	got := string(AppendSafe(nil, []byte(text)))
	if want := safe(text); got != want {
		t.Fatalf("AppendSafe(%q)\n got %q\nwant %q", text, got, want)
	}
	if again := string(AppendSafe(nil, []byte(got))); again != got {
		t.Fatalf("AppendSafe twice of %q\n got %q\nwant %q", text, again, got)
	}
	if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 }) {
		t.Fatalf("AppendSafe(%q) is not safe: %q", text, got)
	}
}

func TestAppendSafeProperties(t *testing.T) {
	t.Parallel()
	piece := rapid.OneOf(
		rapid.StringMatching(`[ -~]{0,40}`),
		rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 12), func(b []byte) string { return string(b) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		checkSafe(t, strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "text"), ""))
	})
}
