package syslogsrv

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Unfinished messages of any number of connections pass the limit by no more than
// what the readings under way hold, and who has nothing to hold is served beside
// them.
func TestUnfinishedMessagesStayWithinTheLimit(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{MaxMessage: 128 << 10, BufferBytes: 1}, nil)
	limit, most := r.partials.limit, 0
	watched := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			most = max(most, r.partials.inUse())
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	part := append([]byte("100000 <13>p: "), bytes.Repeat([]byte("x"), 90<<10)...)
	var group sync.WaitGroup
	for range 200 {
		c := r.dial(TCP)
		group.Go(func() { c.Write(part) }) // until it is cut off
	}
	good := r.dial(TCP)
	for i := range 1000 {
		m := fmt.Sprintf("<13>good: %d", i)
		_, err := fmt.Fprintf(good, "%d %s", len(m), m)
		require.NoError(t, err)
	}
	eventually(t, func() bool {
		n := 0
		for _, x := range r.sink.records() {
			if x.program == "good" {
				n++
			}
		}
		return n == 1000
	}, "all of the sender that behaves")
	eventually(t, func() bool { return r.refused.counts[BufferShort].Load() > 100 }, "others are cut off")
	close(stop)
	<-watched
	group.Wait()
	// Each of them may keep what it has read, with as much room behind it.
	require.LessOrEqual(t, most, limit+cap(r.batches.tokens)*2*readSize)
	t.Logf("limit %d KiB, at most %d KiB", limit>>10, most>>10)
}
