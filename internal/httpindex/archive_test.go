package httpindex

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/logstore"
)

// unpackZip and unpackTar give the members of an archive.
func unpackZip(t testing.TB, body []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	members := map[string]string{}
	for _, f := range z.File {
		require.EqualValues(t, 0o644, f.Mode())
		r, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		members[f.Name] = string(text)
	}
	return members
}

func unpackTar(t testing.TB, body []byte) map[string]string {
	t.Helper()
	packed, err := zstd.NewReader(bytes.NewReader(body))
	require.NoError(t, err)
	defer packed.Close()
	members := map[string]string{}
	for r := tar.NewReader(packed); ; {
		h, err := r.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, packed)
			require.NoError(t, err)
			return members
		}
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		members[h.Name] = string(text)
	}
}

// forms of an archive and how they are read.
var archiveForms = []struct {
	path, contentType string
	unpack            func(testing.TB, []byte) map[string]string
}{{zipPath, "application/zip", unpackZip}, {tarPath, "application/zstd", unpackTar}}

// unpack checks an archive against its own manifest, and gives the log files
// in it.
func unpack(t testing.TB, members map[string]string) (files map[string]string, m manifest) {
	t.Helper()
	files = map[string]string{}
	folder := ""
	for name, text := range members {
		require.Regexp(t, `^dalog-([\w.-]+-)?\d{8}T\d{6}Z/[\w.-]+$`, name)
		require.True(t, folder == "" || folder == path.Dir(name))
		folder = path.Dir(name)
		files[path.Base(name)] = text
	}
	require.NoError(t, json.Unmarshal([]byte(files["manifest.json"]), &m))
	sums := ""
	for _, f := range m.Files {
		text, ok := files[f.Name]
		require.Equal(t, ok, f.SHA256 != "", f.Name)
		if !ok {
			continue
		}
		sum := sha256.Sum256([]byte(text))
		require.Equal(t, hex.EncodeToString(sum[:]), f.SHA256)
		require.EqualValues(t, len(text), f.Bytes)
		require.EqualValues(t, strings.Count(text, "\n"), f.Lines)
		sums += f.SHA256 + "  " + f.Name + "\n"
	}
	require.Equal(t, sums, files["SHA256SUMS"])
	delete(files, "manifest.json")
	delete(files, "SHA256SUMS")
	return files, m
}

// An archive has each log file once, as one text with what was rotated away, or
// the lines that the filters leave: the same as the file's own URL gives.
func TestArchive(t *testing.T) {
	t.Parallel()
	for _, packed := range []bool{false, true} {
		f := serveRotated(t, packed)
		all := strings.Join(f.lines[f.gone:], "")
		for _, form := range archiveForms {
			t.Run(fmt.Sprint(form.path, packed), func(t *testing.T) {
				t.Parallel()
				for _, query := range []string{"", "?file=worker.log", "?file=worker.log&grep=failed", "?grep=failed&context=2", "?host=web2&level=error", "?grep=nothing+like+it", "?since=2026-11-23T08:01:00Z&until=2026-11-23T08:01:10Z&grep="} {
					resp, body := get(t, f.base+form.path+query)
					require.Equal(t, 200, resp.StatusCode, body)
					require.Equal(t, form.contentType, resp.Header.Get("Content-Type"))
					require.Regexp(t, `^attachment; filename=dalog-\d{8}T\d{6}Z`+regexp.QuoteMeta(strings.TrimPrefix(form.path, "/archive"))+"$", resp.Header.Get("Content-Disposition"))
					files, m := unpack(t, form.unpack(t, []byte(body)))
					want := all
					if strings.ContainsAny(query, "&") || strings.Contains(query, "grep") {
						filters := strings.TrimPrefix(strings.TrimPrefix(query, "?"), "file=worker.log&")
						_, want = get(t, f.base+"/worker.log?format=text&"+filters)
					}
					require.Equal(t, want, files["worker.log"], query)
					require.Equal(t, strings.TrimPrefix(query, "?"), m.Query)
					for _, a := range m.Files {
						if a.Name == "worker.log" {
							require.EqualValues(t, f.at[f.gone], a.Start)
							require.EqualValues(t, f.at[len(f.at)-1], a.End)
							require.Zero(t, a.Missing)
						}
					}
				}
				resp, _ := do(t, "HEAD", f.base+form.path)
				require.Equal(t, 200, resp.StatusCode)
				for query, status := range map[string]int{
					"?file=nothing.log": 404, "?file=../etc/passwd": 404, "?grep=(": 400, "?n=3": 400, "?limit=3": 400, "?file=": 200, "?x=1": 400, "?since=x": 400, "?file=search": 404,
				} {
					resp, _ := get(t, f.base+form.path+query)
					require.Equal(t, status, resp.StatusCode, query)
				}
			})
		}
	}
}

// Files that are compressed by others are in the archive of everything, and
// said to be left out where there are filters. docassemble.log is there though
// it is empty.
func TestArchiveOfOthers(t *testing.T) {
	t.Parallel()
	base, _ := serveFiles(t, map[string]string{"web.log": "one\ntwo\nhalf", "old.log.gz": "\x1f\x8bnot\nreally", "uwsgi.log": ""})
	for _, form := range archiveForms {
		_, body := get(t, base+form.path)
		files, _ := unpack(t, form.unpack(t, []byte(body)))
		require.Equal(t, "one\ntwo\n", files["web.log"])
		require.Equal(t, "\x1f\x8bnot\nreally", files["old.log.gz"])
		require.Contains(t, files, "uwsgi.log")
		_, body = get(t, base+form.path+"?grep=two")
		files, m := unpack(t, form.unpack(t, []byte(body)))
		require.Equal(t, map[string]string{"web.log": "two\n"}, files)
		noted := 0
		for _, f := range m.Files {
			if f.Note != "" {
				require.Equal(t, "old.log.gz", f.Name)
				noted++
			}
		}
		require.Equal(t, 1, noted)
	}
}

// More lines than are held in memory make the same archive.
func TestArchiveOfManyLines(t *testing.T) {
	t.Parallel()
	var text, want strings.Builder
	for i := 0; want.Len() < maxHeld+maxHeld/2; i++ {
		l := line(i, "web1", "celery", fmt.Sprintf("task %d %s", i, strings.Repeat("x", i%500)))
		text.WriteString(l)
		if i%5 != 0 {
			want.WriteString(l)
			continue
		}
	}
	base, _ := serveFiles(t, map[string]string{"worker.log": text.String()})
	for _, form := range archiveForms {
		resp, body := get(t, base+form.path+"?exclude=task+%5Cd*%5B05%5D+&file=worker.log")
		require.Equal(t, 200, resp.StatusCode, "%.300s", body)
		files, _ := unpack(t, form.unpack(t, []byte(body)))
		require.True(t, want.String() == files["worker.log"], "%d bytes instead of %d", len(files["worker.log"]), want.Len())
	}
}

// brokenLogs cannot read on after a while.
type brokenLogs struct {
	Logs
	broken func() error
}

func (b brokenLogs) OpenText(name string) (*logstore.Text, error) {
	if name == "worker.log" {
		if err := b.broken(); err != nil {
			return nil, err
		}
	}
	return b.Logs.OpenText(name)
}

// An archive that fails half way cannot be taken for a whole one: the transfer
// ends with an error, and there is no manifest.
func TestArchiveThatFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noise := make([]byte, 4*copyBuffer)
	rand.NewChaCha8([32]byte{}).Read(noise)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.log"), append(noise, '\n'), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "worker.log"), []byte("one\n"), 0o600))
	store, _ := openStore(t, dir)
	h := New(Config{Logs: brokenLogs{store, func() error { return errors.New("no such luck") }}})
	addr := startServer(t, h)
	for _, form := range archiveForms {
		resp, err := http.Get("http://" + addr + form.path)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.NotContains(t, string(body), "manifest")
	}
	require.EqualValues(t, 2, counter(t, h, "dalogd_http_incomplete_total"))

	// Before anything was sent it is an error as any other.
	for _, form := range archiveForms {
		resp, body := get(t, "http://"+addr+form.path+"?file=worker.log")
		require.Equal(t, 500, resp.StatusCode)
		require.Contains(t, body, "no such luck")
		require.Empty(t, resp.Header.Get("Content-Disposition"))
	}
}

// Few archives are made at a time; a client that goes away makes room.
func TestArchivesAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "worker.log"), []byte("one\n"), 0o600))
	store, _ := openStore(t, dir)
	waiting := make(chan struct{}, 1000)
	release := make(chan struct{})
	base := serve(t, Config{Logs: brokenLogs{store, func() error { waiting <- struct{}{}; <-release; return nil }}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range maxAtOnce {
		go func() {
			req, _ := http.NewRequestWithContext(ctx, "GET", base+zipPath, nil)
			if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
				resp.Body.Close()
			}
		}()
		<-waiting
	}
	resp, _ := get(t, base+tarPath)
	require.Equal(t, 429, resp.StatusCode)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	cancel()
	close(release)
	require.Eventually(t, func() bool {
		resp, _ := get(t, base+tarPath)
		return resp.StatusCode == 200
	}, 4*eventually, 10*tick)
}

// A client that takes an archive slowly is waited for, not without end.
func TestPatience(t *testing.T) {
	t.Parallel()
	p := newPatientWriter(httptest.NewRecorder())
	p.conn.left = time.Second
	_, err := p.Write(make([]byte, 4*copyBuffer))
	require.NoError(t, err)
	require.NoError(t, p.Flush())
	require.Greater(t, p.conn.left, 30*time.Second, "what it took lengthens the time")
	require.LessOrEqual(t, p.conn.left, 2*answerTimeout)
	p.conn.left = -1
	_, err = p.Write(make([]byte, 4*copyBuffer))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}
