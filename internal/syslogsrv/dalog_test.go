package syslogsrv

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/relp"
	"github.com/dalog-project/dalog/internal/syslog"
)

// book is a Ledger in memory. What is submitted is committed when the test says
// so, or at once.
type book struct {
	recorder
	manual bool

	mu       sync.Mutex
	accepted map[delivery.SourceKey]delivery.Standing
	durable  map[delivery.SourceKey]delivery.Standing
	waiting  []func()
	notReady bool
}

func newBook() *book {
	return &book{accepted: map[delivery.SourceKey]delivery.Standing{}, durable: map[delivery.SourceKey]delivery.Standing{}}
}

func (b *book) Submit(ctx context.Context, received time.Time, msgs []syslog.Message, committed func(error)) error {
	if err := b.recorder.Submit(ctx, received, msgs, nil); err != nil {
		return err
	}
	if committed != nil {
		committed(nil)
	}
	return nil
}

// SubmitRange is as careful as the store is, and not more: it takes what overlaps
// for a repetition.
func (b *book) SubmitRange(ctx context.Context, received time.Time, r delivery.Range, msgs []syslog.Message, committed func(error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.accepted[r.Key]
	if r.Start > now.Offset {
		return &delivery.PositionError{Key: r.Key, Start: r.Start, Committed: now.Offset}
	}
	var kept []syslog.Message
	for i := range msgs {
		if r.Ends[i] > now.Offset {
			kept = append(kept, msgs[i])
		}
	}
	if err := b.recorder.Submit(ctx, received, kept, nil); err != nil {
		return err
	}
	next := delivery.Standing{Offset: max(now.Offset, r.To()), Anchor: r.After}
	b.accepted[r.Key] = next
	commit := func() {
		b.mu.Lock()
		b.durable[r.Key] = next
		b.mu.Unlock()
		committed(nil)
	}
	if b.manual {
		b.waiting = append(b.waiting, commit)
	} else {
		go commit()
	}
	return nil
}

func (b *book) Position(key delivery.SourceKey) (delivery.Standing, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, ok := b.durable[key]
	return at, ok
}

func (b *book) Forget(_ context.Context, key delivery.SourceKey, done func(error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.accepted, key)
	delete(b.durable, key)
	go done(nil)
	return nil
}

func (b *book) SourceCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.durable)
}

func (b *book) Claimed(keys []delivery.SourceKey, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range keys {
		if standing, ok := b.durable[key]; ok {
			standing.Claimed = at.Unix()
			b.durable[key] = standing
		}
	}
}

func (b *book) IdleSources(since time.Time) (keys []delivery.SourceKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, at := range b.durable {
		if at.Claimed < since.Unix() {
			keys = append(keys, key)
		}
	}
	return keys
}

func (b *book) ID() ([16]byte, bool) { return [16]byte{7}, !b.notReady }

// commit makes everything durable that was submitted.
func (b *book) commit() {
	b.mu.Lock()
	waiting := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}

func (b *book) pending() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}

// sender is a client that sends sources.
type sender struct {
	t       *testing.T
	client  *relp.Client
	agent   byte
	nonce   byte
	answers chan string // "CODE text", in order
	data    chan []byte
}

func (r *running) sender(conn net.Conn, agent, nonce byte) *sender {
	r.t.Helper()
	s := &sender{t: r.t, agent: agent, nonce: nonce, answers: make(chan string, 100), data: make(chan []byte, 100)}
	client, err := relp.Open(r.t.Context(), conn, relp.ClientConfig{
		Commands: delivery.Commands(), Offers: []relp.Offer{{Name: delivery.OfferMax, Value: "1"}},
		Answered: func(a relp.Answer) {
			s.data <- append([]byte{}, a.Data...)
			s.answers <- fmt.Sprint(a.Code)
		},
	})
	require.NoError(r.t, err)
	r.t.Cleanup(client.Abort)
	value, _ := client.Offers().Get(delivery.OfferMax)
	require.Equal(r.t, fmt.Sprint(delivery.MaxData), value)
	s.client = client
	return s
}

func (s *sender) send(command string, data []byte) {
	s.t.Helper()
	_, err := s.client.Send(command, data)
	require.NoError(s.t, err)
	require.NoError(s.t, s.client.Flush())
}

// want waits for the next answer.
func (s *sender) want(code int) []byte {
	s.t.Helper()
	select {
	case got := <-s.answers:
		require.Equal(s.t, fmt.Sprint(code), got)
		return <-s.data
	case <-s.client.Done():
		s.t.Fatalf("the session has ended: %v", s.client.Err())
	case <-time.After(10 * time.Second):
		s.t.Fatal("no answer")
	}
	return nil
}

func (s *sender) silent() {
	s.t.Helper()
	select {
	case got := <-s.answers:
		s.t.Fatalf("answered with %s", got)
	case <-time.After(50 * time.Millisecond):
	}
}

func (s *sender) askOpen(sources ...byte) {
	s.t.Helper()
	open := delivery.Open{Agent: [16]byte{s.agent}, Nonce: [16]byte{s.nonce}, Host: "web1"}
	for _, id := range sources {
		open.Claims = append(open.Claims, delivery.Claim{ID: delivery.SourceID{id}, Path: fmt.Sprintf("/log/%d", id)})
	}
	s.send(delivery.CommandOpen, open.AppendTo(nil))
}

// open claims sources and gives where they stand.
func (s *sender) open(sources ...byte) delivery.Opened {
	s.t.Helper()
	s.askOpen(sources...)
	opened, err := delivery.ParseOpened(s.want(200))
	require.NoError(s.t, err)
	require.Len(s.t, opened.Sources, len(sources))
	return opened
}

// batch is lines of a source from an offset on. content is all of the source up to
// the end of the lines.
func (s *sender) batch(id byte, content string, from int) {
	s.t.Helper()
	s.batchWith(id, content, from, nil)
}

func (s *sender) batchWith(id byte, content string, from int, change func(*delivery.Batch)) {
	s.t.Helper()
	b := delivery.Batch{
		Source: delivery.SourceID{id}, Start: int64(from),
		Before: delivery.Anchor([]byte(content[:from])), After: delivery.Anchor([]byte(content)),
		Priority: 15, MaxLine: 1 << 20, Sec: 1_795_000_000, Host: []byte("web1"), Program: []byte("celery"),
		Size: len(content) - from, Body: []byte(content[from:]),
	}
	if change != nil {
		change(&b)
	}
	s.send(delivery.CommandBatch, append(b.AppendHead(nil), b.Body...))
}

func (s *sender) wantRefusal(reason delivery.Reason, committed int) {
	s.t.Helper()
	got, err := delivery.ParseRefusal(s.want(409))
	require.NoError(s.t, err)
	require.Equal(s.t, delivery.Refusal{Reason: reason, Committed: int64(committed)}, got)
}

func (s *sender) wantTaken(committed, messages int) {
	s.t.Helper()
	got, err := delivery.ParseTaken(s.want(200))
	require.NoError(s.t, err)
	require.Equal(s.t, delivery.Taken{Committed: int64(committed), Messages: messages}, got)
}

func startBook(t *testing.T, cfg Config, b *book) *running {
	t.Helper()
	r := startSink(t, cfg, b)
	r.sink = &b.recorder
	return r
}

func TestBatches(t *testing.T) {
	t.Parallel()
	b := newBook()
	r := startBook(t, Config{}, b)
	s := r.sender(r.dial(TCP), 1, 1)
	opened := s.open(1, 2)
	require.Equal(t, [16]byte{7}, opened.Store)
	require.Zero(t, opened.Replaced)
	require.Equal(t, []delivery.Committed{{ID: delivery.SourceID{1}}, {ID: delivery.SourceID{2}}}, opened.Sources)

	s.batch(1, "one\n\ntwo\r\n", 0)
	s.wantTaken(10, 2)
	s.batch(2, "alone\n", 0)
	s.wantTaken(6, 1)
	s.batch(1, "one\n\ntwo\r\nthree\n", 10)
	s.wantTaken(16, 1)
	require.Equal(t, []string{"one", "two", "alone", "three"}, r.sink.texts())
	got := r.sink.records()[0]
	require.Equal(t, record{
		text: "one", program: "celery", host: "web1", from: "127.0.0.1",
		at: syslog.Timestamp{Sec: 1_795_000_000, Valid: true},
	}, got)

	// What does not go on where the source stands is not taken.
	s.batch(1, "one\n", 0)
	s.wantRefusal(delivery.Gap, 16)
	s.batch(1, "one\n\ntwo\r\nthree\nfour\nfive\n", 21)
	s.wantRefusal(delivery.Gap, 16)
	s.batch(1, "ONE\n\ntwo\r\nthree\nfour\n", 16)
	s.wantRefusal(delivery.Content, 16)
	s.batch(3, "x\n", 0)
	s.wantRefusal(delivery.Unclaimed, 0)
	s.batch(1, "one\n\ntwo\r\nthree\nfour\n", 16)
	s.wantTaken(21, 1)

	// A part is left out on purpose; nothing but blank lines comes.
	s.batchWith(2, "alone\n\n\n", 6, func(b *delivery.Batch) { b.Skip = 100 })
	s.wantTaken(108, 0)

	s.send("syslog", []byte("<13>Nov 25 10:00:00 web2 app: beside"))
	s.want(200)

	s.send(delivery.CommandEnd, delivery.AppendEnd(nil, delivery.SourceID{1}))
	s.want(200)
	s.batch(1, "one\n\ntwo\r\nthree\nfour\nx\n", 21)
	s.wantRefusal(delivery.Unclaimed, 0)
	s.send(delivery.CommandEnd, delivery.AppendEnd(nil, delivery.SourceID{9})) // of an earlier session
	s.want(200)
	s.open(5) // of which nothing comes
	require.NoError(t, s.client.Close())

	stats := r.Stats().Dalog
	require.EqualValues(t, 5, stats.Batches)
	require.EqualValues(t, 100, stats.SkippedBytes)
	require.EqualValues(t, 2, stats.Gaps)
	require.EqualValues(t, 1, stats.OtherContent)
	require.EqualValues(t, 2, stats.Unclaimed)
	require.EqualValues(t, 2, stats.SourcesEnded)
	eventually(t, func() bool { return r.Stats().Dalog.Live == 0 }, "the session to end")
	require.Equal(t, []SourceInfo{{Key: delivery.SourceKey{ID: delivery.SourceID{2}}, Host: "web1", Path: "/log/2", Addr: "127.0.0.1"}}, r.Sources())

	// The next session goes on.
	s = r.sender(r.dial(TCP), 1, 2)
	opened = s.open(2)
	require.Equal(t, []delivery.Committed{{ID: delivery.SourceID{2}, Known: true, Offset: 108, Anchor: delivery.Anchor([]byte("alone\n\n\n"))}}, opened.Sources)
	require.True(t, r.Sources()[0].Live)
}

// Batches are acknowledged when they are committed, in order.
func TestBatchesAreAcknowledgedWhenCommitted(t *testing.T) {
	t.Parallel()
	b := newBook()
	b.manual = true
	r := startBook(t, Config{}, b)
	s := r.sender(r.dial(TCP), 1, 1)
	s.open(1)
	s.batch(1, "a\n", 0)
	s.batch(1, "a\nb\n", 2)
	eventually(t, func() bool { return b.pending() == 2 }, "two batches to be handed over")
	s.silent()
	b.commit()
	s.wantTaken(2, 1)
	s.wantTaken(4, 1)
}

// A new session of an agent ends the old one: what that still sends is not taken,
// and where the source stands is told when what it had sent is committed.
func TestSessionsAreFenced(t *testing.T) {
	t.Parallel()
	b := newBook()
	b.manual = true
	r := startBook(t, Config{}, b)
	old := r.sender(r.dial(TCP), 1, 1)
	old.open(1)
	old.batch(1, "a\n", 0)
	eventually(t, func() bool { return b.pending() == 1 }, "a batch to be handed over")

	now := r.sender(r.dial(TCP), 1, 2)
	now.askOpen(1)
	now.silent()
	b.commit()
	opened, err := delivery.ParseOpened(now.want(200))
	require.NoError(t, err)
	require.Equal(t, [16]byte{1}, opened.Replaced)
	require.EqualValues(t, 2, opened.Sources[0].Offset)
	require.EqualValues(t, 1, r.Stats().Dalog.SessionsEnded)

	now.batch(1, "a\nnew\n", 2)
	eventually(t, func() bool { return b.pending() == 1 }, "a batch to be handed over")
	b.commit()
	now.wantTaken(6, 1)
	select {
	case <-old.client.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the old session goes on")
	}
	require.ErrorIs(t, old.client.Err(), relp.ErrServerClosed)
	require.Equal(t, []string{"a", "new"}, r.sink.texts())
}

// The bytes of an old connection come late, when the new session has been told
// where the source stands: they are not taken.
func TestZombieSession(t *testing.T) {
	t.Parallel()
	b := newBook()
	r := startBook(t, Config{}, b)
	proxy, release := holdingProxy(t, r.addr(TCP))
	old := r.sender(proxy, 1, 1)
	old.open(1)
	old.batch(1, "a\n", 0)
	old.wantTaken(2, 1)
	hold := release(false)
	old.batch(1, "a\nlate\n", 2) // stays in the proxy

	now := r.sender(r.dial(TCP), 1, 2)
	require.EqualValues(t, 2, now.open(1).Sources[0].Offset)
	hold()
	time.Sleep(100 * time.Millisecond) // the late bytes arrive
	now.batch(1, "a\nlate\nlater\n", 2)
	now.wantTaken(13, 2)
	require.Equal(t, []string{"a", "late", "later"}, r.sink.texts())
}

// A source that another agent claims is its from then on, and the first is told
// so. Nothing of either is taken for the other's.
func TestSourceIsTakenOver(t *testing.T) {
	t.Parallel()
	b := newBook()
	b.manual = true
	r := startBook(t, Config{}, b)
	one, two := r.sender(r.dial(TCP), 1, 1), r.sender(r.dial(TCP), 2, 2)
	one.open(1)
	one.batch(1, "same\nof one\n", 0)
	eventually(t, func() bool { return b.pending() == 1 }, "a batch to be handed over")
	two.askOpen(1)
	two.silent()
	b.commit()
	opened, err := delivery.ParseOpened(two.want(200))
	require.NoError(t, err)
	require.EqualValues(t, 12, opened.Sources[0].Offset)
	one.wantTaken(12, 2)
	one.batch(1, "same\nof one\nmore\n", 12)
	one.wantRefusal(delivery.Unclaimed, 0)
	two.batch(1, "same\nof two\nmore\n", 12) // had it not looked
	two.wantRefusal(delivery.Content, 12)
	require.EqualValues(t, 1, r.Stats().Dalog.SourcesTaken)
}

// Batches that are not committed in time are not waited for: the new session is
// to come back.
func TestOpenWhileTheOldIsStuck(t *testing.T) {
	t.Parallel()
	b := newBook()
	b.manual = true
	r := startBook(t, Config{}, b)
	old := r.sender(r.dial(TCP), 1, 1)
	old.open(1)
	old.batch(1, "a\n", 0)
	eventually(t, func() bool { return b.pending() == 1 }, "a batch to be handed over")
	now := r.sender(r.dial(TCP), 1, 2)
	now.askOpen(1)
	now.want(421)
	now.batch(1, "a\n", 0)
	now.wantRefusal(delivery.Unclaimed, 0)
	b.commit()
	require.EqualValues(t, 2, now.open(1).Sources[0].Offset)
}

// Sources belong to the name in the certificate; without one, to whoever knows
// their ids, from whatever address.
func TestSourcesBelongToTheirPeer(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	cert := ca.issue(t, "log.test")
	certs, err := LoadCertificates(CertificateFiles{Cert: cert.cert, Key: cert.key, ClientCA: ca.file})
	require.NoError(t, err)
	b := newBook()
	r := startBook(t, Config{TLS: certs, Listen: append(tcpOnly, Endpoint{Network: TCP, Address: "127.0.0.1:0", TLS: true})}, b)
	secure := func(name string, agent byte) *sender {
		return r.sender(ca.client(t, r.dial("tls"), ca.issue(t, name)), agent, agent)
	}
	plain := r.sender(r.dial(TCP), 1, 1)
	plain.open(1)
	plain.batch(1, "plain\n", 0)
	plain.wantTaken(6, 1)

	web1 := secure("web1", 2)
	require.True(t, web1.open(1).Sources[0].Known, "began before there was a certificate")
	web1.open(2)
	web1.batch(2, "secret\n", 0)
	web1.wantTaken(7, 1)
	for _, other := range []*sender{secure("web2", 3), r.sender(r.dial(TCP), 4, 4)} {
		require.False(t, other.open(2).Sources[0].Known)
	}
	web1.batch(2, "secret\nmore\n", 7)
	web1.wantTaken(12, 1)
}

func TestMalformedCommands(t *testing.T) {
	t.Parallel()
	b := newBook()
	r := startBook(t, Config{}, b)
	good := delivery.Batch{Source: delivery.SourceID{1}, MaxLine: 1 << 10, Size: 2, Body: []byte("a\n")}
	for name, c := range map[string]struct {
		command string
		data    func(s *sender) []byte
	}{
		"open":        {delivery.CommandOpen, func(*sender) []byte { return []byte("x") }},
		"other agent": {delivery.CommandOpen, func(*sender) []byte { return (&delivery.Open{Agent: [16]byte{99}}).AppendTo(nil) }},
		"end":         {delivery.CommandEnd, func(*sender) []byte { return nil }},
		"batch":       {delivery.CommandBatch, func(*sender) []byte { return []byte{1} }},
		"body": {delivery.CommandBatch, func(*sender) []byte {
			b := good
			b.Encoding = delivery.Zstd
			return append(b.AppendHead(nil), "garbage"...)
		}},
		"many lines": {delivery.CommandBatch, func(*sender) []byte {
			b := good
			b.KeepBlank, b.Size = true, 500_000
			return append(b.AppendHead(nil), strings.Repeat("\n", b.Size)...)
		}},
		"wrong anchor": {delivery.CommandBatch, func(*sender) []byte {
			b := good
			b.Size = 2000
			return append(b.AppendHead(nil), strings.Repeat("a", 1999)+"\n"...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := r.sender(r.dial(TCP), 1, 1)
			s.open(1)
			s.send(c.command, c.data(s))
			s.want(500)
			<-s.client.Done()
		})
	}
	require.EqualValues(t, 7, r.Stats().Dalog.Malformed)
	require.Empty(t, r.sink.texts())
}

// A server whose sink keeps no positions does not offer what needs them, and one
// that is not recovered yet asks for patience.
func TestNoPositions(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{}, nil)
	client, err := relp.Open(t.Context(), r.dial(TCP), relp.ClientConfig{Commands: delivery.Commands()})
	require.NoError(t, err)
	require.False(t, client.Agreed(delivery.CommandOpen))
	require.NoError(t, client.Close())

	b := newBook()
	b.notReady = true
	s := startBook(t, Config{}, b).sender(startBook(t, Config{}, b).dial(TCP), 1, 1)
	s.askOpen(1)
	s.want(421)
}

// holdingProxy is a connection to addr that keeps what is sent while it is held.
func holdingProxy(t *testing.T, addr string) (conn net.Conn, hold func(bool) func()) {
	t.Helper()
	up, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	near, far := net.Pipe()
	t.Cleanup(func() { up.Close(); near.Close() })
	var gate sync.Mutex
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := far.Read(buf)
			if n > 0 {
				gate.Lock()
				_, _ = up.Write(buf[:n])
				gate.Unlock()
			}
			if err != nil {
				return
			}
		}
	}()
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := up.Read(buf)
			if n > 0 {
				_, _ = far.Write(buf[:n])
			}
			if err != nil {
				far.Close()
				return
			}
		}
	}()
	return near, func(bool) func() { gate.Lock(); return gate.Unlock }
}

func BenchmarkUnpack(b *testing.B) {
	line := "10.0.3.4 - - [25/Nov/2026:13:22:00 +0000] \"GET /interview?i=docassemble.playground1:main.yml HTTP/1.1\" 200 51234 \"https://example.org/list\" \"Mozilla/5.0 (X11; Linux x86_64)\"\n"
	lines := []byte(strings.Repeat(line, (256<<10)/len(line)))
	batch := delivery.Batch{MaxLine: 1 << 20, Size: len(lines), After: delivery.Anchor(lines)}
	batch.Body, batch.Encoding = delivery.NewPacker().AppendBody(nil, lines, false)
	u := new(unpacker)
	b.SetBytes(int64(len(lines)))
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, u.unpack(&batch))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(u.msgs)), "ns/line")
}
