package logstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		want bool
	}{
		{"docassemble.log", true},
		{"docassemble.log.1", true},
		{"docassemble.log.2.gz", true},
		{"my file.log", true},
		{"10.0.0.5_worker.log", true},
		{"-x", true},
		{"a", true},
		{"", false},
		{".", false},
		{"..", false},
		{".hidden", false},
		{".dalogd", false},
		{"_x", false},
		{"x_", false},
		{"x.", false},
		{" x", false},
		{"x ", false},
		{"a+b.log", false},
		{"web@1.log", false},
		{"host:514.log", false},
		{"sub/x.log", false},
		{"sub\\x.log", false},
		{"a\nb.log", false},
		{"a\x00b.log", false},
		{"a~", false},
		{"ünï.log", false},
		{"u\u0308.log", false},     // decomposed: the mark is dropped
		{"ﬁle.log", false},         // decomposes to ASCII
		{"\uff41.log", false},      // full width, too
		{"x\u00a0y.log", false},    // decomposes to a blank
		{"x\xff.log", false},       // no UTF-8
		{"caf\xc3\xa9.log", false}, // an accent is dropped
		{"tab\there.log", false},
		{"#emacs#", false},
		{"access.log%20", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, readable(c.name))
		})
	}
}
