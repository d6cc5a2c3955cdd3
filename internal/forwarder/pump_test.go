package forwarder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
)

func at(sec int64) syslog.Timestamp { return syslog.At(time.Unix(sec, 0).UTC()) }

// fakeSession takes room bytes and then breaks; of those, known are confirmed.
type fakeSession struct {
	room, known int
	taken       []byte
	ended       chan struct{}
}

var errBroken = errors.New("broken pipe")

func (s *fakeSession) write(p []byte) error {
	n := min(len(p), s.room-len(s.taken))
	s.taken = append(s.taken, p[:n]...)
	if n < len(p) {
		return errBroken
	}
	return nil
}

func (s *fakeSession) confirmed() (int64, error) { return int64(min(s.known, len(s.taken))), nil }
func (s *fakeSession) gone() <-chan struct{}     { return s.ended }
func (s *fakeSession) reason() error             { return io.EOF }
func (s *fakeSession) abort()                    {}
func (s *fakeSession) close() error              { return nil }

// A connection that breaks after any byte, with any number of bytes confirmed:
// the next one begins with the first frame that is not confirmed whole, and
// positions never pass what is confirmed.
func TestBreaksAnywhere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	appendTo(t, path, numbered(0, 10))
	one := len(appendFrames(0, 1))
	total := len(appendFrames(0, 10))
	for room := 0; room < total; room += 31 {
		for _, known := range []int{0, room / 3, room / 2, room - 1, room} {
			f := openForTest(t, path)
			_, err := f.pump.serve(t.Context(), nil, &fakeSession{room: room, known: max(0, known)}, 0)
			require.ErrorIs(t, err, errBroken)
			require.Zero(t, f.position(), "the lines were one chunk, which is not confirmed")

			second := &fakeSession{room: 1 << 20, known: 1 << 20}
			stop := make(chan struct{})
			close(stop)
			_, err = f.pump.serve(t.Context(), stop, second, 0)
			require.NoError(t, err)
			first := max(0, known) / one
			require.Equal(t, string(appendFrames(first, 10)), masked(second.taken), "room %d, confirmed %d", room, known)
			require.Equal(t, int64(len(numbered(0, 10))), f.position())
			f.closeState()
			f.tailer.Close()
		}
	}
}

// appendFrames gives the frames of lines from to to-1, which have one length.
func appendFrames(from, to int) (frames []byte) {
	for i := from; i < to; i++ {
		frames = rfc5424{}.appendFrame(frames, 14, at(0), "web1", "app", uint64(i+1)%10, fmt.Appendf(nil, "line %d", i))
	}
	return frames
}

// masked replaces what differs from appendFrames: the time, and a sequence
// number of two digits.
func masked(p []byte) string {
	var b strings.Builder
	for {
		frame, rest, ok := cutFrame(p)
		if !ok {
			return b.String() + string(p)
		}
		p = rest
		m := frameForm.FindStringSubmatch(frame)
		b.Write(rfc5424{}.appendFrame(nil, 14, at(0), m[3], m[4], uint64(m[5][len(m[5])-1]-'0'), []byte(strings.TrimSuffix(m[6], "\n"))))
	}
}

// inspected is a Forwarder whose files have been found and are not yet read.
type inspected struct{ *Forwarder }

func openForTest(t *testing.T, path string) inspected {
	t.Helper()
	cfg := newConfig(t, "127.0.0.1:1", File{Pattern: path, Program: "app", Severity: 6})
	f, err := Open(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, f.tailer.Run(ctx)) // looks once
	return inspected{f}
}

func (f inspected) position() (offset int64) {
	for _, k := range f.registry.Sources() {
		offset += k.Position.Offset
	}
	return offset
}

// The path of every line allocates nothing.
func BenchmarkFrames(b *testing.B) {
	path := filepath.Join(b.TempDir(), "app.log")
	line := strings.Repeat("x", 237) + "\n"
	appendTo(b, path, strings.Repeat(line, 64<<20/len(line)))
	lines := uint64(0)
	b.ReportAllocs()
	var f *Forwarder
	open := func() {
		b.StopTimer()
		defer b.StartTimer()
		if f != nil {
			f.tailer.Close()
			f.closeState()
		}
		var err error
		f, err = Open(newConfig(b, "127.0.0.1:1", File{Pattern: path, Program: "app", Severity: 6}))
		require.NoError(b, err)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.NoError(b, f.tailer.Run(ctx))
	}
	open()
	for b.Loop() {
		before := f.pump.sequence
		if !f.pump.fill() {
			open()
			f.pump.fill()
			before = 0
		}
		w := &f.pump.window
		w.sent = w.end
		w.confirm(w.end, func(mark) {})
		lines += f.pump.sequence - before
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(lines), "ns/line")
}
