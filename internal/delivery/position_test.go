package delivery

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// However a source is cut into pieces, the cursor stands where one opened at
// that offset stands.
func TestCursorAdvanceEqualsCursorAt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var content []byte
		var c Cursor
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 2*AnchorSize), 0, 8).Draw(t, "pieces") {
			piece := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, n)
			content = append(content, piece...)
			c.Advance(piece)

			at, err := CursorAt(bytes.NewReader(content), int64(len(content)))
			require.NoError(t, err)
			require.Equal(t, at.Position(), c.Position())
			require.Equal(t, int64(len(content)), c.Offset())
			require.True(t, c.BeginsWith(content[:min(len(content), AnchorSize)]))
			require.Equal(t, string(content[max(0, len(content)-AnchorSize):]), string(c.Last()))
		}
	})
}

func TestPositionTellsContentApart(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789abcdef"), 1024)
	at := func(b []byte, offset int64) Position {
		c, err := CursorAt(bytes.NewReader(b), offset)
		require.NoError(t, err)
		return c.Position()
	}
	changed := func(i int) []byte {
		b := bytes.Clone(content)
		b[i] ^= 1
		return b
	}
	const offset = 5000
	want := at(content, offset)
	for name, b := range map[string][]byte{
		"first byte": changed(0), "end of the head": changed(AnchorSize - 1),
		"begin of the tail": changed(offset - AnchorSize), "last byte": changed(offset - 1),
	} {
		assert.NotEqual(t, want, at(b, offset), name)
	}
	assert.Equal(t, want, at(changed(offset), offset), "a byte behind the offset is not covered")
	assert.Equal(t, Position{}, at(content, 0))
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestCursorAtErrors(t *testing.T) {
	t.Parallel()
	_, err := CursorAt(bytes.NewReader(make([]byte, 99)), 100)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	disk := errors.New("input/output error")
	_, err = CursorAt(failing{disk}, 100)
	require.ErrorIs(t, err, disk)
}

func TestSourceID(t *testing.T) {
	t.Parallel()
	a, b := NewSourceID(), NewSourceID()
	assert.NotEqual(t, a, b)
	assert.Equal(t, "000102030405060708090a0b0c0d0e0f",
		SourceID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}.String())
}

func BenchmarkCursorAdvance(b *testing.B) {
	var c Cursor
	chunk := make([]byte, 256<<10)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		c.Advance(chunk)
		_ = c.Position()
	}
}
