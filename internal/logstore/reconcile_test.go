package logstore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// repaired is what the file holds after a repair.
func repaired(have string, r repair) string {
	b := []byte(have)
	for _, f := range r.fills {
		copy(b[f.off:], f.data)
	}
	b = append(b, r.finish...)
	if len(r.rest) > 0 && len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\n') // as every addition behind a line without end
	}
	return string(append(b, r.rest...))
}

func nul(n int) string { return strings.Repeat("\x00", n) }

func TestReconcile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, have, want string
		midst            bool
		result           string
	}{
		{name: "nothing"},
		{name: "nothing there", want: "one\ntwo\n", result: "one\ntwo\n"},
		{name: "all there", have: "one\ntwo\n", want: "one\ntwo\n", result: "one\ntwo\n"},
		{name: "a part there", have: "one\n", want: "one\ntwo\n", result: "one\ntwo\n"},
		{name: "a torn line", have: "one\ntw", want: "one\ntwo\nthree\n", result: "one\ntwo\nthree\n"},
		{name: "lines alike", have: "same\nsame\n", want: "same\nsame\nsame\n", result: "same\nsame\nsame\n"},
		{name: "others between", have: "theirs\none\ntheirs too\ntwo\nlast of theirs\n", want: "one\ntwo\nthree\n",
			result: "theirs\none\ntheirs too\ntwo\nlast of theirs\nthree\n"},
		{name: "others before a torn line", have: "theirs\none\ntheirs\ntw", want: "one\ntwo\n", result: "theirs\none\ntheirs\ntwo\n"},
		{name: "others behind a torn line", have: "one\ntwtheirs\n", want: "one\ntwo\n", result: "one\ntwtheirs\ntwo\n"},
		{name: "another's line under way", have: "one\nthei", want: "one\ntwo\n", result: "one\nthei\ntwo\n"},
		{name: "lost line", have: "one\n" + nul(4) + "three\n", want: "one\ntwo\nthree\n", result: "one\ntwo\nthree\n"},
		{name: "lost within lines", have: "on" + nul(4) + "o\nthree\n", want: "one\ntwo\nthree\n", result: "one\ntwo\nthree\n"},
		{name: "lost and cut", have: "one\n" + nul(2), want: "one\ntwo\nthree\n", result: "one\ntwo\nthree\n"},
		{name: "lost with another's", have: "one\n" + nul(4+7) + "three\n", want: "one\ntwo\nthree\n", result: "one\ntwo\n......\nthree\n"},
		{name: "lost before another's", have: "one\n" + nul(4) + "theirs\nthree\n", want: "one\ntwo\nthree\n", result: "one\ntwo\ntheirs\nthree\n"},
		{name: "lost twice", have: nul(4) + "theirs\n" + nul(4) + "three\n", want: "one\ntwo\nthree\n", result: "one\ntheirs\ntwo\nthree\n"},
		{name: "another's lost", have: "one\n" + nul(6) + "\ntwo\n", want: "one\ntwo\n", result: "one\n......\ntwo\n"},
		{name: "another's lost at the end", have: "one\n" + nul(7), want: "one\n", result: "one\n......\n"},
		{name: "much lost", have: "one\n" + nul(70) + "two\n", want: "one\ntwo\n",
			result: "one\ndalog: 70 bytes were lost here when the power failed " + strings.Repeat(".", 16) + "\ntwo\n"},
		{name: "lost behind half a line", have: nul(1) + "one\ntwo\n", want: "one\ntwo\n", midst: true, result: "\none\ntwo\n"},
		{name: "lost with the end of half a line", have: nul(5) + "two\n", want: "one\ntwo\n", midst: true, result: "\none\ntwo\n"},
		{name: "more alike than known", have: nul(4) + "same\nsame\n", want: "one\nsame\n", result: "one\nsame\nsame\n"},
		{name: "nothing but alike ones more than known", have: "on" + nul(1) + "\nsame\nthree\nfo" + nul(2) + "\nsame\ntheirs\nsame\n", want: "one\nsame\nthree\nfour\n",
			result: "one\nsame\nthree\nfour\nsame\ntheirs\nsame\n"},
		{name: "lines alike behind a loss", have: nul(6) + "x\nsame\nsame\n", want: "same\nsame\n", result: "..... x\nsame\nsame\n"},
		{name: "the end of a lost line", have: "one\n" + nul(70) + "rs\ntwo\n", want: "one\ntwo\n",
			result: "one\ndalog: 70 bytes were lost here when the power failed " + strings.Repeat(".", 16) + " rs\ntwo\n"},
		{name: "another's end that looks like ours", have: nul(4+5) + "xx\nthree\n", want: "axx\ntwoo\nthree\n", result: "axx\ntwoo\nxx\nthree\n"},
		{name: "alike behind several losses", have: nul(21) + "bb" + nul(7) + "cc\nddd" + nul(20) + "same\n" + nul(8) + "me\ng\n",
			want:   "aaaaaaa\nbbbbb\nccccc\ndddddddddddddd\neeeeeee\nsame\nfffff\nsame\ng\n",
			result: "aaaaaaa\nbbbbb\ndalog: lost \nccccc\ndddddddddddddd\neeeeeee\nsame\nfffff\nsame\ng\n"},
		{name: "a little lost", have: "one\n" + nul(14) + "two\n", want: "one\ntwo\n", result: "one\ndalog: lost .\ntwo\n"},
		{name: "order changed by somebody", have: "two\none\n", want: "one\ntwo\nthree\n", result: "two\none\nthree\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := reconcile([]byte(c.have), []byte(c.want), c.midst)
			require.Equal(t, c.result, repaired(c.have, r))
			again := reconcile([]byte(c.result), []byte(c.want), c.midst)
			require.Equal(t, c.result, repaired(c.result, again), "a second time")
			require.Empty(t, again.fills)
		})
	}
}

// FuzzReconcile checks what must hold whatever is there: nothing but damage is
// overwritten, and all of ours is there in the end.
func FuzzReconcile(f *testing.F) {
	f.Add([]byte("one\n\x00\x00\x00\x00three\n"), []byte("one\ntwo\nthree\n"), false)
	f.Add([]byte("x\nfor\x00\x00"), []byte("x\nx\nyy\n"), true)
	f.Fuzz(func(t *testing.T, have, want []byte, midst bool) {
		want = []byte(strings.ReplaceAll(string(want), "\x00", "0"))
		if len(want) > 0 {
			want = append(want, '\n')
		}
		r := reconcile(have, want, midst)
		result := repaired(string(have), r)
		require.NotContains(t, result, "\x00")
		at := int64(0)
		for _, fill := range r.fills {
			require.Len(t, fill.data, len(fill.lost))
			require.GreaterOrEqual(t, fill.off, at)
			require.Contains(t, string(fill.lost), "\x00")
			at = fill.off + int64(len(fill.data))
		}
		there := map[string]int{}
		for line := range strings.Lines(result) {
			there[line]++
		}
		for line := range strings.Lines(string(want)) {
			there[line]--
			require.GreaterOrEqual(t, there[line], 0, "%q is missing in %q", line, result)
		}
	})
}
