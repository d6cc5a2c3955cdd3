package delivery

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func testBatch() Batch {
	return Batch{
		Source: SourceID{1, 2}, Start: 1 << 40, Skip: 7, Before: 1, After: 2, Continues: true, KeepBlank: true,
		Priority: 191, MaxLine: 1 << 20, Sec: -5, Nsec: 999_999_999, Zone: -5 * 3600,
		Host: []byte("web1"), Program: []byte("celery"), Size: 6, Body: []byte("a\nb\nc\n"),
	}
}

func encode(b *Batch) []byte { return append(b.AppendHead(nil), b.Body...) }

func TestBatchRoundTrip(t *testing.T) {
	t.Parallel()
	want := testBatch()
	var got Batch
	require.NoError(t, got.Parse(encode(&want)))
	require.Equal(t, want, got)
	require.EqualValues(t, 1<<40+13, got.End())
	require.LessOrEqual(t, len(want.AppendHead(nil)), MaxHead)

	long := want
	long.Host, long.Program = bytes.Repeat([]byte("h"), 300), bytes.Repeat([]byte("p"), 300)
	require.Len(t, long.AppendHead(nil), MaxHead)
	require.NoError(t, got.Parse(encode(&long)))
	require.Len(t, got.Host, 255)
}

func TestBatchRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Batch){
		"negative start": func(b *Batch) { b.Start = -1 },
		"huge skip":      func(b *Batch) { b.Skip = 1 << 62 },
		"priority":       func(b *Batch) { b.Priority = 192 },
		"line limit":     func(b *Batch) { b.MaxLine = MinLine - 1 },
		"nanoseconds":    func(b *Batch) { b.Nsec = 1e9 },
		"zone":           func(b *Batch) { b.Zone = 24 * 3600 },
		"year":           func(b *Batch) { b.Sec = 1 << 41 },
		"no lines":       func(b *Batch) { b.Size, b.Body = 0, nil },
		"many bytes":     func(b *Batch) { b.Size, b.Encoding = MaxBody+1, Zstd },
		"long body":      func(b *Batch) { b.Body, b.Encoding = make([]byte, MaxBody+1), Zstd },
		"encoding":       func(b *Batch) { b.Encoding = 4 },
		"size":           func(b *Batch) { b.Size++ },
	} {
		b := testBatch()
		change(&b)
		require.ErrorIs(t, new(Batch).Parse(encode(&b)), ErrMalformed, name)
	}
	b := testBatch()
	whole := encode(&b)
	for n := range len(whole) {
		require.ErrorIs(t, new(Batch).Parse(whole[:n]), ErrMalformed)
	}
	whole[0]++
	require.ErrorContains(t, new(Batch).Parse(whole), "version 2")
}

// wordy gives lines that S2 makes less than half as large and Huffman smaller still.
func wordy(random *rand.ChaCha8, size int) (lines []byte) {
	var noise [10]byte
	for len(lines) < size {
		_, _ = random.Read(noise[:])
		lines = append(hex.AppendEncode(lines, noise[:]), " says a word of many\n"...)
	}
	return lines[:size]
}

func TestBodies(t *testing.T) {
	t.Parallel()
	p := NewPacker()
	noise := make([]byte, 4000)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(noise)
	words := wordy(random, MaxBody)
	for name, c := range map[string]struct {
		lines    []byte
		fast     bool
		encoding Encoding
	}{
		"short":       {[]byte("a\n"), false, Plain},
		"noise":       {noise, false, Plain},
		"lines":       {bytes.Repeat([]byte("the same line again\n"), MaxBody/20), false, Zstd},
		"short, fast": {[]byte("a\n"), true, Plain},
		"noise, fast": {noise, true, Plain},
		"lines, fast": {bytes.Repeat([]byte("the same line again\n"), MaxBody/20), true, S2},
		"words, fast": {words[:MaxBody/2], true, S2Huffman},
		"large block": {words, true, S2},
	} {
		b := testBatch()
		prefix := []byte("before")
		p.fast = 0
		out, encoding := p.AppendBody(prefix, c.lines, c.fast)
		require.Equal(t, c.encoding, encoding, name)
		require.Equal(t, "before", string(out[:6]), name)
		b.Body, b.Encoding, b.Size = out[6:], encoding, len(c.lines)
		var got Batch
		require.NoError(t, got.Parse(encode(&b)), name)
		lines, _, err := got.Unpack(nil)
		require.NoError(t, err, name)
		require.Equal(t, c.lines, lines, name)

		if encoding != Plain {
			b.Size--
			require.NoError(t, got.Parse(encode(&b)), name)
			_, _, err = got.Unpack(nil)
			require.ErrorIs(t, err, ErrMalformed, name)
		}
	}
}

// Whatever is packed, in a hurry or not, is smaller or as it is, and is unpacked to
// what it was: a body that the server refuses would be sent for ever.
func TestOddBodies(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	p := NewPacker()
	var out, buf []byte
	seen := map[Encoding]int{}
	for i := range 3000 {
		size := minPacked + r.IntN(400)
		if i%100 == 0 {
			size = []int{huff0.BlockSizeMax - 1, huff0.BlockSizeMax + 5, MaxBody - 1, MaxBody}[i/100%4]
		}
		lines := oddBody(r, size)
		b := testBatch()
		b.Size = size
		out, b.Encoding = p.AppendBody(out[:0], lines, i%8 > 0)
		b.Body = out
		require.LessOrEqual(t, len(out), size)
		var got Batch
		require.NoError(t, got.Parse(encode(&b)))
		var unpacked []byte
		var err error
		unpacked, buf, err = got.Unpack(buf)
		require.NoError(t, err, i)
		require.True(t, bytes.Equal(lines, unpacked), i)
		seen[b.Encoding]++
	}
	require.Len(t, seen, 4)
}

// oddBody mixes runs, copies and noise of few or many values.
func oddBody(r *rand.Rand, size int) (b []byte) {
	first, values := r.IntN(256), 1+r.IntN(256)
	for len(b) < size {
		n, c := 1+r.IntN(300), byte(first+r.IntN(values))
		switch r.IntN(4) {
		case 0:
			b = append(b, bytes.Repeat([]byte{c}, n)...)
		case 1:
			from := r.IntN(len(b) + 1)
			b = append(b, b[from:min(len(b), from+n)]...)
		default:
			for range n {
				b = append(b, byte(first+r.IntN(1+r.IntN(values))))
			}
		}
	}
	return b[:size]
}

// A frame that unpacks to more than a batch may hold is given up before that
// takes memory, whatever the batch says.
func TestBombs(t *testing.T) {
	t.Parallel()
	bomb := NewPacker().encoder.EncodeAll(make([]byte, 64<<20), nil)
	require.Less(t, len(bomb), MaxBody)
	b := testBatch()
	b.Body, b.Encoding, b.Size = bomb, Zstd, MaxBody
	var got Batch
	require.NoError(t, got.Parse(encode(&b)))
	_, buf, err := got.Unpack(nil)
	require.ErrorIs(t, err, ErrMalformed)
	require.LessOrEqual(t, cap(buf), MaxBody)

	b.Body, b.Encoding = s2.Encode(nil, make([]byte, 8<<20)), S2
	require.Less(t, len(b.Body), MaxBody)
	require.NoError(t, got.Parse(encode(&b)))
	_, buf, err = got.Unpack(nil)
	require.ErrorIs(t, err, ErrMalformed)
	require.LessOrEqual(t, cap(buf), MaxBody)

	for _, block := range [][]byte{
		s2.Encode(nil, append(make([]byte, 8<<20), wordy(rand.NewChaCha8([32]byte{}), 1<<10)...)), // as above
		wordy(rand.NewChaCha8([32]byte{}), 1<<10),                                                 // no block
	} {
		codes, _, err := huff0.Compress4X(block[max(0, len(block)-huff0.BlockSizeMax):], &huff0.Scratch{})
		require.NoError(t, err)
		for _, size := range []uint32{0, uint32(len(block)) - 1, uint32(len(block)), uint32(len(block)) + 1, huff0.BlockSizeMax, huff0.BlockSizeMax + 1, 1<<32 - 1} {
			b.Body, b.Encoding = append(le.AppendUint32(nil, size), codes...), S2Huffman
			require.NoError(t, got.Parse(encode(&b)))
			_, buf, err = got.Unpack(nil)
			require.ErrorIs(t, err, ErrMalformed, size)
			require.LessOrEqual(t, cap(buf), MaxBody)
		}
	}
	b.Body = nil
	_, _, err = b.Unpack(nil)
	require.ErrorIs(t, err, ErrMalformed)
}

func TestOpenRoundTrip(t *testing.T) {
	t.Parallel()
	o := Open{Agent: [16]byte{1}, Nonce: [16]byte{2}, Host: "web1", Claims: []Claim{{SourceID{3}, "/var/log/a.log"}, {SourceID{4}, ""}}}
	data := o.AppendTo(nil)
	got, err := ParseOpen(data)
	require.NoError(t, err)
	require.Equal(t, o, got)
	for n := range len(data) {
		_, err := ParseOpen(data[:n])
		require.ErrorIs(t, err, ErrMalformed)
	}
	_, err = ParseOpen(append(data, 0))
	require.ErrorIs(t, err, ErrMalformed)

	a := Opened{Store: [16]byte{5}, Replaced: [16]byte{6}, Sources: []Committed{{SourceID{7}, true, 1 << 50, 8}, {SourceID{9}, false, 0, 0}}}
	data = a.AppendTo(nil)
	gotA, err := ParseOpened(data)
	require.NoError(t, err)
	require.Equal(t, a, gotA)
	for n := range len(data) {
		_, err := ParseOpened(data[:n])
		require.ErrorIs(t, err, ErrMalformed)
	}
}

// However many sources there are, and however long their paths, as many as
// Fitting says make one command, and its answer fits as well.
func TestFitting(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", strings.Repeat("p", MaxPath+1), "/var/log/nginx/access.log"} {
		claims := make([]Claim, 3000)
		for i := range claims {
			claims[i].Path = path
		}
		n := Fitting(claims)
		require.Positive(t, n)
		require.LessOrEqual(t, n, MaxClaims)
		o := Open{Host: strings.Repeat("h", 300), Claims: claims[:n]}
		require.LessOrEqual(t, len(o.AppendTo(nil)), MaxData)
		a := Opened{Sources: make([]Committed, n)}
		require.LessOrEqual(t, len(a.AppendTo(nil)), MaxAnswer)
	}
	require.Equal(t, 2, Fitting(make([]Claim, 2)))
}

func TestAnswersRoundTrip(t *testing.T) {
	t.Parallel()
	taken, err := ParseTaken(Taken{1 << 50, 7}.AppendTo(nil))
	require.NoError(t, err)
	require.Equal(t, Taken{1 << 50, 7}, taken)
	refusal, err := ParseRefusal(Refusal{Content, 99}.AppendTo(nil))
	require.NoError(t, err)
	require.Equal(t, Refusal{Content, 99}, refusal)
	id, err := ParseEnd(AppendEnd(nil, SourceID{1}))
	require.NoError(t, err)
	require.Equal(t, SourceID{1}, id)
	_, err = ParseEnd(nil)
	require.ErrorIs(t, err, ErrMalformed)
}

func FuzzBatch(f *testing.F) {
	b := testBatch()
	f.Add(encode(&b))
	for _, fast := range []bool{false, true} {
		b.Body, b.Encoding = NewPacker().AppendBody(nil, bytes.Repeat([]byte("line\n"), 100), fast)
		b.Size = 500
		f.Add(encode(&b))
		b.Size = 1000
		b.Body, b.Encoding = NewPacker().AppendBody(nil, wordy(rand.NewChaCha8([32]byte{}), b.Size), fast)
		f.Add(encode(&b))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b Batch
		if b.Parse(data) != nil {
			return
		}
		require.Equal(t, data, encode(&b), "one way to write it")
		lines, _, err := b.Unpack(nil)
		if err != nil {
			return
		}
		require.Len(t, lines, b.Size)
		l := Lines{Data: lines, MaxLine: b.MaxLine, Continues: b.Continues, Cut: b.Cut, KeepBlank: b.KeepBlank}
		total := 0
		for {
			text, size, ok := l.Next()
			total += size
			require.LessOrEqual(t, len(text), b.MaxLine+len(ContinuedMark)+len(ContinuesMark))
			if !ok {
				break
			}
		}
		require.Equal(t, len(lines), total)
	})
}

func FuzzOpen(f *testing.F) {
	o := Open{Host: "web1", Claims: []Claim{{SourceID{3}, "/var/log/a.log"}}}
	f.Add(o.AppendTo(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		if o, err := ParseOpen(data); err == nil {
			require.Equal(t, data, o.AppendTo(nil))
		}
		_, _ = ParseOpened(data)
		_, _ = ParseTaken(data)
		_, _ = ParseRefusal(data)
	})
}

// Lines of a batch, however the file is cut into batches, are what a plain
// reading of the file gives.
func TestLinesEqualPlainReading(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const limit = 8
		file := []byte(rapid.StringOfN(rapid.SampledFrom([]rune("ab\n\n\réx")), 0, 60, -1).Draw(t, "file"))
		keep := rapid.Bool().Draw(t, "keep blank")
		all := func(l Lines) (texts []string, ends []int) {
			at := len(file) - len(l.Data)
			for {
				text, size, ok := l.Next()
				at += size
				if !ok {
					return texts, ends
				}
				texts, ends = append(texts, string(text)), append(ends, at)
			}
		}
		var want []string
		for i, line := range strings.Split(string(file), "\n") {
			if i == strings.Count(string(file), "\n") && line == "" {
				break
			}
			rest := line
			for first := true; first || rest != ""; first = false {
				piece, mark := rest, ""
				if !first {
					mark = ContinuedMark
				}
				if len(rest) > limit {
					n := CutPoint([]byte(rest), limit)
					piece, rest = rest[:n], rest[n:]
					want = append(want, mark+piece+ContinuesMark)
					continue
				}
				rest = ""
				piece = strings.TrimRight(piece, "\r")
				if first && piece == "" && !keep {
					break
				}
				want = append(want, mark+piece)
			}
		}
		got, ends := all(Lines{Data: file, MaxLine: limit, KeepBlank: keep})
		require.Equal(t, want, got)
		for i, end := range ends { // the same from any end on
			rest, _ := all(Lines{Data: file[end:], MaxLine: limit, KeepBlank: keep, Continues: file[end-1] != '\n'})
			require.Equal(t, strings.Join(want[i+1:], "|"), strings.Join(rest, "|"), "%d", end)
		}
	})
}
