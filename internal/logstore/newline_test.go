package logstore

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A pattern with a line end in it is found in no line.
func TestPatternOverLines(t *testing.T) {
	t.Parallel()
	p := &plan{name: "worker.log", lines: []planned{{raw: "2026-11-23T08:00:00Z web1 celery: one"}, {raw: "2026-11-23T08:00:00Z web1 celery: two"}}}
	s := layOut(t, p, nil, nil, 0)
	defer s.Close()
	text, err := s.OpenText(p.name)
	require.NoError(t, err)
	defer text.Close()
	for _, literal := range []bool{true, false} {
		pattern, err := NewPattern("one\n2026", literal, false)
		require.NoError(t, err)
		res, err := text.Scan(context.Background(), Query{Grep: []*Pattern{pattern}}, func(*Found) error { return nil })
		require.NoError(t, err)
		require.Zero(t, res.Hits)
	}
}
