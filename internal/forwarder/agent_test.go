package forwarder

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

func TestAgentRemembers(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{}).FS()
	open := func() *agent {
		r := openedRegistry(t, d)
		a, err := openAgent(r)
		require.NoError(t, err)
		return a
	}
	a := open()
	id := a.name()
	require.NotZero(t, id)
	require.Equal(t, id, open().name())

	require.False(t, a.meet([16]byte{1}))
	a.has(delivery.SourceID{1}, 7)
	a.has(delivery.SourceID{1}, 9) // known from 7 on already
	a.has(delivery.SourceID{2}, 0)
	a.disown(delivery.SourceID{2})
	require.NoError(t, a.dropped([]delivery.SourceID{{1}, {2}, {3}}))
	a = open()
	require.True(t, a.meet([16]byte{1}))
	offset, ok := a.from(delivery.SourceID{1})
	require.True(t, ok)
	require.EqualValues(t, 7, offset)
	_, ok = a.from(delivery.SourceID{2})
	require.False(t, ok)
	require.Equal(t, []delivery.SourceID{{1}, {3}}, a.toEnd(), "what is another's is not ended")
	a.ended(delivery.SourceID{1})
	require.NoError(t, a.save())
	a = open()
	require.Equal(t, []delivery.SourceID{{3}}, a.toEnd())

	// Another store has nothing of all that.
	require.False(t, a.meet([16]byte{2}))
	require.Empty(t, a.toEnd())
	a.renew()
	require.NoError(t, a.save())
	require.NotEqual(t, id, open().name())
}

// A damaged file is as good as none: another name, and nothing believed.
func TestAgentDamaged(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{}).FS()
	r := openedRegistry(t, d)
	a, err := openAgent(r)
	require.NoError(t, err)
	a.meet([16]byte{1})
	a.has(delivery.SourceID{1}, 7)
	require.NoError(t, a.dropped([]delivery.SourceID{{2}}))
	whole := a.encode()
	for n := range whole {
		require.ErrorIs(t, (&agent{begun: map[delivery.SourceID]int64{}}).decode(whole[:n]), errAgent)
	}
	f, err := d.OpenFile(agentName, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{'x'}, 20)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	b, err := openAgent(r)
	require.NoError(t, err)
	require.NotEqual(t, a.name(), b.name())
	require.Empty(t, b.toEnd())
	_, ok := b.from(delivery.SourceID{1})
	require.False(t, ok)
}
