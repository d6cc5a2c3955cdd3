package forwarder

import (
	"os"
	"slices"
	"testing"
	"time"

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

	require.False(t, a.meet([16]byte{1}, time.Now()))
	a.has(delivery.SourceID{1}, 7)
	a.has(delivery.SourceID{1}, 9) // known from 7 on already
	a.has(delivery.SourceID{2}, 0)
	a.disown(delivery.SourceID{2})
	require.NoError(t, a.dropped([]delivery.SourceID{{1}, {2}, {3}}))
	a = open()
	require.True(t, a.meet([16]byte{1}, time.Now()))
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
	require.False(t, a.meet([16]byte{2}, time.Now()))
	require.Empty(t, a.toEnd())
	a.renew()
	require.NoError(t, a.save())
	require.NotEqual(t, id, open().name())
}

// Who was away for long takes what the server does not know to be forgotten; who
// was there takes it to be lost. The file of a version before has no time in it.
func TestAgentAway(t *testing.T) {
	t.Parallel()
	r := openedRegistry(t, vfstest.New(vfstest.Options{}).FS())
	store, id, now := [16]byte{1}, delivery.SourceID{7}, time.Now()
	reopened := func(a *agent) *agent {
		require.NoError(t, a.save())
		a, err := openAgent(r)
		require.NoError(t, err)
		return a
	}
	a, err := openAgent(r)
	require.NoError(t, err)
	a.meet(store, now.Add(-100*24*time.Hour))
	require.False(t, a.forgot(id), "the first time")
	a.has(id, 0)
	a = reopened(a)
	a.meet(store, now.Add(-99*24*time.Hour))
	require.False(t, a.forgot(id))
	a.stays(now.Add(-40 * 24 * time.Hour)) // it was there until then
	a = reopened(a)
	require.True(t, a.meet(store, now.Add(-20*24*time.Hour)))
	require.False(t, a.forgot(id))
	a = reopened(a)
	a.met = now.Add(-keepUnseen - time.Hour).Unix()
	require.True(t, a.meet(store, now))
	require.True(t, a.forgot(id))
	_, ok := a.from(id)
	require.False(t, ok)
	require.True(t, a.meet(store, now.Add(time.Minute)))
	require.False(t, a.forgot(id), "it is back")

	a.has(id, 3)
	old := a.encode()
	old = append(slices.Clone(old[:len(agentMagic)+4+32]), old[len(agentMagic)+4+32+8:len(old)-4]...)
	le.PutUint32(old[len(agentMagic):], 1)
	b := &agent{begun: map[delivery.SourceID]int64{}}
	require.NoError(t, b.decode(le.AppendUint32(old, crcOf(old))))
	require.Equal(t, a.store, b.store)
	from, ok := b.from(id)
	require.True(t, ok)
	require.EqualValues(t, 3, from)
	require.True(t, b.meet(store, now))
	require.False(t, b.forgot(id))
}

// A damaged file is as good as none: another name, and nothing believed.
func TestAgentDamaged(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{}).FS()
	r := openedRegistry(t, d)
	a, err := openAgent(r)
	require.NoError(t, err)
	a.meet([16]byte{1}, time.Now())
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
