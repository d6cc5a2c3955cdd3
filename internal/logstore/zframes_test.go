package logstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
	"github.com/dalog-project/dalog/internal/vfs"
)

// logText is about n bytes of lines as they are stored.
func logText(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "2026-11-23T08:27:%02d.%06d-05:00 web%d celery[%d]: [INFO/MainProcess] Task docassemble.webapp.worker.update[%08x] succeeded in %d.%09ds\n",
			i/1000%60, i%1000000, rng.IntN(4), 100+rng.IntN(20), rng.Uint32(), rng.IntN(3), rng.IntN(1e9))
	}
	return b.Bytes()
}

var testDecoder, _ = newFrameDecoder()

// newFile opens a file to write to in a folder of its own.
func newFile(t testing.TB) vfs.File {
	t.Helper()
	dir, err := vfs.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dir.Close()) })
	f, err := dir.OpenFile("part.log.zst", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// packed is text as a packed part.
func packed(t testing.TB, text []byte, n note) []byte {
	t.Helper()
	p, err := newPacker(testDecoder)
	require.NoError(t, err)
	f := newFile(t)
	n.size = int64(len(text))
	size, err := p.pack(context.Background(), f, bytes.NewReader(text), n)
	require.NoError(t, err)
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size+1))
	require.NoError(t, err)
	require.Len(t, b, int(size), "the size that is told")
	return b
}

func TestPack(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("x", n) + "\n" }
	for _, c := range []struct {
		name   string
		text   string
		frames []int // their plain sizes, where that matters
	}{
		{"one byte", "\n", []int{1}},
		{"one line", "a line\n", []int{7}},
		{"no line end", "a line", []int{6}},
		{"exactly a frame", strings.Repeat("abc\n", frameText/4), []int{frameText}},
		{"one line more", strings.Repeat("abc\n", frameText/4+1), []int{frameText, 4}},
		{"cut back to a line end", strings.Repeat("abcd\n", frameText/5+1), []int{frameText / 5 * 5, 5}},
		{"a line longer than a frame", long(frameText) + "b\n", []int{frameText + 1, 2}},
		{"a line longer than any frame", long(maxFrameText+10) + "b\n", []int{maxFrameText, 13}},
		{"a long line at the end", "a\n" + long(frameText+5), []int{2, frameText + 6}},
		{"many frames", string(logText(3 << 20)), nil},
		{"random bytes", string(noise(frameText + 100)), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := note{offset: 123456789012, modified: time.Unix(1795422420, 123456789)}
			b := packed(t, []byte(c.text), n)

			u, got, err := unpack(testDecoder, bytes.NewReader(b), int64(len(b)))
			require.NoError(t, err)
			require.Equal(t, n.offset, got.offset)
			require.True(t, n.modified.Equal(got.modified))
			require.EqualValues(t, len(c.text), got.size)
			require.EqualValues(t, len(c.text), u.size())
			var frames []int
			for i := range u.frames[1:] {
				frames = append(frames, int(u.frames[i+1].plain-u.frames[i].plain))
			}
			if c.frames != nil {
				require.Equal(t, c.frames, frames)
			}
			all := make([]byte, u.size()+1)
			k, err := u.ReadAt(all, 0)
			require.Equal(t, io.EOF, err)
			require.True(t, c.text == string(all[:k]))

			dec, err := zstd.NewReader(bytes.NewReader(b))
			require.NoError(t, err)
			defer dec.Close()
			stream, err := io.ReadAll(dec)
			require.NoError(t, err)
			require.True(t, c.text == string(stream), "as a plain zstd stream")
		})
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(b)
	return b
}

func TestUnpackAnywhere(t *testing.T) {
	t.Parallel()
	text := logText(5 * frameText)
	b := packed(t, text, note{})
	u, _, err := unpack(testDecoder, bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	plain := bytes.NewReader(text)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		off, length := rng.Int64N(int64(len(text))+100), rng.IntN(3*frameText)
		if rng.IntN(4) == 0 {
			off = u.frames[rng.IntN(len(u.frames))].plain
		}
		want, got := make([]byte, length), make([]byte, length)
		wn, wantErr := plain.ReadAt(want, off)
		gn, err := u.ReadAt(got, off)
		require.Equal(t, wn, gn)
		if length > 0 {
			require.Equal(t, wantErr, err)
		}
		require.True(t, bytes.Equal(want[:wn], got[:gn]), "%d bytes at %d", length, off)
	}
	_, err = u.ReadAt(make([]byte, 1), -1)
	require.Error(t, err)
}

// The zstd program and its seekable format know nothing of dalog.
func TestPackForOthers(t *testing.T) {
	t.Parallel()
	zstdPath, err := exec.LookPath("zstd")
	if err != nil {
		peers.Lacking(t, "there is no zstd program; scripts/peers.sh brings it")
	}
	text := logText(1 << 20)
	name := filepath.Join(t.TempDir(), "p.log.zst")
	require.NoError(t, os.WriteFile(name, packed(t, text, note{}), 0o600))
	out, err := exec.Command(zstdPath, "-dc", name).Output()
	require.NoError(t, err)
	require.True(t, bytes.Equal(text, out))
	require.NoError(t, exec.Command(zstdPath, "-tq", name).Run())
}

func TestUnpackDamaged(t *testing.T) {
	t.Parallel()
	text := logText(2*frameText + 1000)
	whole := packed(t, text, note{offset: 77})

	t.Run("cut", func(t *testing.T) {
		t.Parallel()
		for size := 0; size < len(whole); size += 1 + size/50 {
			_, _, err := unpack(testDecoder, bytes.NewReader(whole[:size]), int64(size))
			require.ErrorIs(t, err, errDamaged, "%d bytes", size)
		}
	})
	t.Run("flipped", func(t *testing.T) {
		t.Parallel()
		// What a flipped bit changes is noticed, at the latest when it is read;
		// the descriptor's unused bits mean nothing.
		for at := range whole {
			if at > 200 && at < len(whole)-200 && at%997 != 0 {
				continue
			}
			b := bytes.Clone(whole)
			b[at] ^= 0x10
			u, _, err := unpack(testDecoder, bytes.NewReader(b), int64(len(b)))
			if err != nil {
				continue
			}
			got := make([]byte, len(text))
			n, err := u.ReadAt(got, 0)
			if err == nil && at < len(whole)-noteSize-8 {
				require.True(t, bytes.Equal(text, got[:n]), "byte %d of %d", at, len(whole))
			}
		}
	})
	tail := func(change func(tail []byte)) []byte {
		b := bytes.Clone(whole)
		change(b[len(b)-(noteSize+8+4*8+footerSize):])
		return b
	}
	le := binary.LittleEndian
	for _, c := range []struct {
		name string
		b    []byte
	}{
		{"a table longer than the file", tail(func(b []byte) { le.PutUint32(b[len(b)-9:], 1<<20) })},
		{"a table without end", tail(func(b []byte) { le.PutUint32(b[len(b)-9:], 1<<31) })},
		{"reserved bits", tail(func(b []byte) { b[len(b)-5] = 4 })},
		{"no note", tail(func(b []byte) { b[0]++ })},
		{"note of another text", tail(func(b []byte) { b[33]++ })},
		{"a huge frame", tail(func(b []byte) { le.PutUint32(b[noteSize+8+4:], 1<<30) })},
		{"frames that overlap the table", tail(func(b []byte) { le.PutUint32(b[noteSize+8:], le.Uint32(b[noteSize+8:])+1) })},
		{"less text than the note says", tail(func(b []byte) { le.PutUint32(b[noteSize+8+4:], le.Uint32(b[noteSize+8+4:])-1) })},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := unpack(testDecoder, bytes.NewReader(c.b), int64(len(c.b)))
			require.ErrorIs(t, err, errDamaged)
		})
	}
	t.Run("a newer format", func(t *testing.T) {
		t.Parallel()
		n := appendNote(nil, note{})
		n[16] = 2
		_, err := parseNote(n)
		require.ErrorIs(t, err, errDamaged, "its sum does not hold")
	})
}

func FuzzUnpack(f *testing.F) {
	f.Add(packed(f, []byte("a\nb\n"), note{offset: 5}))
	f.Add(packed(f, noise(1000), note{}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		u, n, err := unpack(testDecoder, bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if n.size != u.size() || n.size > int64(len(b))/8*maxFrameText {
			t.Fatalf("a size of %d from %d bytes", n.size, len(b))
		}
		p := make([]byte, 1000)
		for _, off := range []int64{0, n.size / 2, n.size - 1, n.size} {
			if k, err := u.ReadAt(p, max(off, 0)); k < len(p) && err == nil {
				t.Fatal("a short read without a reason")
			}
		}
	})
}

func FuzzPack(f *testing.F) {
	f.Add([]byte("a\nb\n"), uint8(3))
	f.Fuzz(func(t *testing.T, text []byte, times uint8) {
		text = bytes.Repeat(text, 1+int(times))
		if len(text) == 0 || len(text) > 1<<20 {
			return
		}
		b := packed(t, text, note{})
		u, _, err := unpack(testDecoder, bytes.NewReader(b), int64(len(b)))
		require.NoError(t, err)
		got, err := io.ReadAll(io.NewSectionReader(u, 0, u.size()))
		require.NoError(t, err)
		require.True(t, bytes.Equal(text, got))
	})
}

func BenchmarkPack(b *testing.B) {
	text := logText(16 << 20)
	p, err := newPacker(testDecoder)
	require.NoError(b, err)
	f := newFile(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var size int64
	for b.Loop() {
		size, err = p.pack(context.Background(), f, bytes.NewReader(text), note{size: int64(len(text))})
		require.NoError(b, err)
	}
	b.ReportMetric(float64(len(text))/float64(size), "ratio")
}

func BenchmarkUnpack(b *testing.B) {
	text := logText(16 << 20)
	raw := packed(b, text, note{})
	u, _, err := unpack(testDecoder, bytes.NewReader(raw), int64(len(raw)))
	require.NoError(b, err)
	for _, block := range []int{32 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("sequential/%dKiB", block>>10), func(b *testing.B) {
			p := make([]byte, block)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				for off := int64(0); off < u.size(); off += int64(block) {
					if _, err := u.ReadAt(p, off); err != nil && err != io.EOF {
						b.Fatal(err)
					}
				}
			}
		})
	}
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := unpack(testDecoder, bytes.NewReader(raw), int64(len(raw))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("random/4KiB", func(b *testing.B) {
		p := make([]byte, 4096)
		rng := rand.New(rand.NewPCG(1, 1))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := u.ReadAt(p, rng.Int64N(u.size()-4096)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
