package httpindex

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/logstore"
)

// event is a server-sent event.
type event struct{ id, name, data string }

// An eventStream is a client that follows.
type eventStream struct {
	body io.ReadCloser
	in   *bufio.Reader
}

func followEventsOf(t testing.TB, url string, header ...string) *eventStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	t.Cleanup(func() { resp.Body.Close() })
	return &eventStream{resp.Body, bufio.NewReader(resp.Body)}
}

// next reads one event; heartbeats are passed over.
func (s *eventStream) next() (e event, err error) {
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return e, err
		}
		line = strings.TrimSuffix(line, "\n")
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e.data != "" {
				return e, nil
			}
		}
	}
}

// text is that of the line of an event.
func (e event) text(t testing.TB) string {
	t.Helper()
	var l struct{ Text string }
	require.NoError(t, json.Unmarshal([]byte(e.data), &l), e.data)
	return l.Text
}

func (s *eventStream) texts(t testing.TB, n int) (all []string) {
	t.Helper()
	for range n {
		e, err := s.next()
		require.NoError(t, err)
		require.Equal(t, "line", e.name, e.data)
		all = append(all, e.text(t))
	}
	return all
}

func TestFollow(t *testing.T) {
	t.Parallel()
	store, _ := openStore(t, t.TempDir())
	h := New(Config{Logs: store})
	base := "http://" + startServer(t, h)
	web1, web2 := newSender(store, "10.0.0.1", "web1"), newSender(store, "10.0.0.2", "web2")
	require.NoError(t, web1.submit("celery", "before 1", "before 2"))
	require.Eventually(t, func() bool { _, body := get(t, base+"/worker.log"); return strings.Count(body, "\n") == 2 }, eventually, tick)

	plain := followEventsOf(t, base+"/worker.log?follow=1")
	last := followEventsOf(t, base+"/worker.log?follow=1&n=1")
	all := followEventsOf(t, base+"/worker.log?follow=1&from=0")
	some := followEventsOf(t, base+"/worker.log?follow=1&grep=o&exclude=two&host=web2")
	both := followEventsOf(t, base+"/search?follow=1&file=worker.log,uwsgi.log")
	every := followEventsOf(t, base+"/search?follow=1")
	require.NoError(t, web1.submit("celery", "one"))
	require.NoError(t, web2.submit("celery", "two", "four"))
	require.Equal(t, []string{"one", "two", "four"}, plain.texts(t, 3))
	require.Equal(t, []string{"before 2", "one", "two", "four"}, last.texts(t, 4))
	require.Equal(t, []string{"before 1", "before 2", "one", "two", "four"}, all.texts(t, 5))
	require.Equal(t, []string{"four"}, some.texts(t, 1))
	require.Equal(t, []string{"one", "two", "four"}, both.texts(t, 3))
	require.NoError(t, web2.submit("uwsgi", "five"))
	e, err := both.next()
	require.NoError(t, err)
	require.Equal(t, "five", e.text(t))
	require.Regexp(t, `^worker.log=\d+,uwsgi.log=\d+$`, e.id)

	// Who comes back gets what it has missed.
	both.body.Close()
	require.NoError(t, web2.submit("uwsgi", "six"))
	require.NoError(t, web2.submit("celery", "seven"))
	again := followEventsOf(t, base+"/search?follow=1&file=worker.log,uwsgi.log", "Last-Event-ID", e.id)
	require.ElementsMatch(t, []string{"six", "seven"}, again.texts(t, 2))
	e, err = plain.next()
	require.NoError(t, err)
	require.Equal(t, "seven", e.text(t))
	require.NoError(t, web2.submit("celery", "eight"))
	require.Equal(t, []string{"eight"}, followEventsOf(t, base+"/worker.log?follow=1", "Last-Event-ID", e.id).texts(t, 1))

	// Files that come into being are followed by who follows all.
	require.ElementsMatch(t, []string{"one", "two", "four", "five", "six", "seven", "eight"}, every.texts(t, 7))
	require.NoError(t, web2.submit("brandnew", "nine"))
	require.Equal(t, []string{"nine"}, every.texts(t, 1))

	h.Stop()
	for err == nil {
		_, err = plain.next()
	}
	require.ErrorIs(t, err, io.EOF, "the answer does not end when the server stops")
}

func TestFollowForms(t *testing.T) {
	t.Parallel()
	base, dir := serveFiles(t, map[string]string{"web.log": "one\ntwo\nthree\n"})
	resp, body := get(t, base+"/web.log?follow=1&n=2&limit=2")
	require.Equal(t, textType, resp.Header.Get("Content-Type"))
	require.Equal(t, "two\nthree\n", body)
	resp, body = get(t, base+"/web.log?follow=1&from=0&grep=t&limit=2&format=json")
	require.Equal(t, "application/x-ndjson", resp.Header.Get("Content-Type"))
	require.Equal(t, 2, strings.Count(body, "\n"))
	require.Contains(t, body, `"raw":"three"`)
	head, _ := do(t, http.MethodHead, base+"/web.log?follow=1")
	require.Equal(t, http.StatusOK, head.StatusCode)

	// What another program adds, and puts in its place, is followed.
	s := followEventsOf(t, base+"/web.log?follow=1")
	f, err := os.OpenFile(filepath.Join(dir, "web.log"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteString("four\nfi")
	require.NoError(t, err)
	require.Equal(t, []string{"four"}, s.texts(t, 1))
	require.NoError(t, os.Rename(filepath.Join(dir, "web.log"), filepath.Join(dir, "web.log.1")))
	_, err = f.WriteString("ve\n")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("six\n"), 0o600))
	var texts []string
	for len(texts) < 2 {
		e, err := s.next()
		require.NoError(t, err)
		if e.name == "line" {
			texts = append(texts, e.text(t))
		}
	}
	require.Equal(t, []string{"five", "six"}, texts)
}

func TestFollowErrors(t *testing.T) {
	t.Parallel()
	store, _ := openStore(t, t.TempDir())
	base := serve(t, Config{Logs: store, Limits: Limits{Followers: 3, FollowersOfPeer: 2}})
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/worker.log?follow=maybe", 400, `follow="maybe": give 1 or 0`},
		{"/worker.log?follow=1&context=2", 400, "context= does not go with follow=1"},
		{"/worker.log?follow=1&direction=backward", 400, "direction= does not go with follow=1"},
		{"/worker.log?follow=1&format=xml", 400, `format="xml": give text, json or events`},
		{"/worker.log?follow=1&grep=(", 400, "missing closing )"},
		{"/worker.log?follow=1&from=77", 416, "ends at 0"},
		{"/nope.log?follow=1", 404, "no such file"},
		{"/search?follow=1&file=nope.log", 404, "no such file"},
		{"/search?follow=1&cursor=x", 400, `cursor="x"`},
	} {
		resp, body := get(t, base+c.path)
		require.Equal(t, c.status, resp.StatusCode, body)
		require.Contains(t, body, c.want)
	}
	a := followEventsOf(t, base+"/worker.log?follow=1")
	followEventsOf(t, base+"/worker.log?follow=1")
	resp, body := get(t, base+"/worker.log?follow=1")
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	require.Contains(t, body, "too many clients follow")
	a.body.Close()
	require.Eventually(t, func() bool {
		resp, _ := do(t, http.MethodHead, base+"/worker.log?follow=1")
		return resp.StatusCode == http.StatusOK
	}, eventually, tick)
}

// Who follows sees every line once, over a hundred rotations.
func TestFollowOverRotations(t *testing.T) {
	t.Parallel()
	store, _ := runStore(t, logstore.Config{Dir: t.TempDir(), RotateSize: 4000})
	base := serve(t, Config{Logs: store})
	var wait sync.WaitGroup
	for range 3 {
		s := followEventsOf(t, base+"/worker.log?follow=1")
		wait.Go(func() {
			for i := 0; ; i++ {
				e, err := s.next()
				if !assertNoError(t, err) || strings.Contains(e.data, `"text":"the last one"`) {
					return
				}
				if want := fmt.Sprintf("line %d", i); e.name != "line" || !strings.Contains(e.data, `"text":"`+want+`"`) {
					t.Errorf("line %d: %v", i, e)
					return
				}
			}
		})
	}
	s := newSender(store, "10.0.0.1", "web1")
	for i := 0; store.Stats().Rotated < 100; i += 50 {
		texts := make([]string, 50)
		for k := range texts {
			texts[k] = fmt.Sprintf("line %d", i+k)
		}
		require.NoError(t, s.submit("celery", texts...))
	}
	require.NoError(t, s.submit("celery", "the last one"))
	wait.Wait()
}

// A client that does not read is left behind, is told what it has missed, and
// harms nobody.
func TestFollowSlowClient(t *testing.T) {
	t.Parallel()
	store, _ := openStore(t, t.TempDir())
	base := serve(t, Config{Logs: store})
	slow := followEventsOf(t, base+"/worker.log?follow=1")
	s := newSender(store, "10.0.0.1", "web1")
	const lines = 500
	long := strings.Repeat("x", 64<<10)
	for i := range lines {
		require.NoError(t, s.submit("celery", fmt.Sprintf("%d %s", i, long)))
	}
	require.NoError(t, s.submit("celery", "the last one"))
	gaps := 0
	missing := int64(0)
	seen := int64(0)
	for last := ""; last != "the last one"; {
		e, err := slow.next()
		require.NoError(t, err)
		if e.name == "gap" {
			var g struct {
				From, To int64
				Reason   string
			}
			require.NoError(t, json.Unmarshal([]byte(e.data), &g))
			require.Equal(t, "slow", g.Reason)
			gaps++
			missing += g.To - g.From
			if g.To == seen {
				t.Fatal("an empty gap")
			}
			continue
		}
		last = e.text(t)
		var l struct{ Offset, End int64 }
		require.NoError(t, json.Unmarshal([]byte(e.data), &l))
		seen += l.End - l.Offset
	}
	_, body := get(t, base+"/worker.log?format=json&n=1")
	require.Equal(t, parseAnswer(t, body).End, seen+missing, "bytes are neither shown nor said to be missing")
	t.Logf("%d gaps, %d of %d bytes left out", gaps, missing, seen+missing)
}
