package main

import (
	"context"
	"fmt"
	"time"
)

// histograms measures /histogram from the counts in the summaries beside the same
// lines read and counted.
func histograms(ctx context.Context, s *server, m made) error {
	middle := m.begin.Add(m.end.Sub(m.begin) / 2)
	for _, c := range []struct{ title, query string }{
		{fmt.Sprintf("histogram of %d MiB of compressed parts", m.history>>20), "file=worker.log"},
		{"the same by one host and level", "file=worker.log&host=web1&level=error"},
		{"of a day in the middle", "file=worker.log&since=" + stamp(middle) + "&until=" + stamp(middle.Add(24*time.Hour))},
		{"of an hour in the middle", "file=worker.log&since=" + stamp(middle) + "&until=" + stamp(middle.Add(time.Hour))},
		{fmt.Sprintf("histogram of %d MiB of plain text", *plain), "file=docassemble.log"},
	} {
		get := func(name, more string) work {
			return work{name, func() (string, error) { return s.text("/histogram?buckets=200&" + c.query + more) }}
		}
		// No line has the text; that all of them have to be asked makes it a scan.
		if err := compare(ctx, c.title, []work{get("dalogd", ""), get("read", "&match=literal&exclude=%40%40%40")}); err != nil {
			return err
		}
	}
	return nil
}

func stamp(t time.Time) string { return escape(t.Format(time.RFC3339Nano)) }
