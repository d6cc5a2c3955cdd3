package logstore

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkRecovery is the start after a kill with 128 MiB in the write-ahead log
// that no checkpoint covers: none of it is in the files, or all of it is.
func BenchmarkRecovery(b *testing.B) {
	const total = 128 << 20
	for _, c := range []struct {
		name    string
		applied bool
	}{{"nothing applied", false}, {"all applied", true}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				cfg := Config{Dir: b.TempDir(), MaxFilesPerPeer: 1000, MaxUncommitted: 2 * total}
				s, err := Open(cfg)
				require.NoError(b, err)
				msgs := benchMessages(4096, manyPrograms(50))
				for s.journal.written.Load() < total {
					require.NoError(b, s.Submit(context.Background(), testTime, msgs, func(err error) { require.NoError(b, err) }))
					_, err := s.commitStep(context.Background())
					require.NoError(b, err)
					if c.applied {
						_, err := s.applyStep(true)
						require.NoError(b, err)
					}
				}
				require.NoError(b, s.Close())
				b.StartTimer()
				s, err = Open(cfg)
				require.NoError(b, err)
				b.StopTimer()
				require.NoError(b, s.Close())
				b.StartTimer()
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/start")
			b.ReportMetric(0, "ns/op")
		})
	}
}
