package httpindex

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/logstore"
)

// raw sends text as it is on one connection and returns the answers, up to
// the end of the connection. The client says no more after text.
func raw(t *testing.T, addr, text string) []*http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	var answers []*http.Response
	method, _, _ := strings.Cut(text, " ")
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return answers
		}
		require.NoError(t, err, "the connection hangs or says nonsense")
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body = io.NopCloser(strings.NewReader(string(body)))
		answers = append(answers, resp)
	}
}

// No path leaves the folder, however it is written.
func TestTraversal(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(parent, "secret.log"), []byte("secret\n"), 0o600))
	dir := filepath.Join(parent, "log")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("line\n"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	store, _ := openStore(t, dir)
	addr := startServer(t, New(Config{Logs: store}))

	for _, path := range []string{
		"/../secret.log", "/../../../../../../etc/passwd", "/..", "/../", "/.", "/./", "/./web.log", "/sub/../web.log", "/sub/../../secret.log",
		"/%2e%2e/secret.log", "/%2E%2E/secret.log", "/%2e./secret.log", "/.%2e/", "/%2e%2e", "/%2e%2e/", "/%2e",
		"/..%2fsecret.log", "/..%2Fsecret.log", "/..%2f", "/%2e%2e%2fsecret.log", "/%2e%2e%2f", "/sub%2f..%2f..%2fsecret.log", "/web.log%2f", "/%2f", "/%2fetc%2fpasswd",
		"/..%5csecret.log", `/..\secret.log`, "/%5c..%5csecret.log", `/..\`, "/%5c/",
		"/..%252fsecret.log", "/%252e%252e%252fsecret.log", "/%252e%252e/", "/..%c0%afsecret.log", "/%c0%ae%c0%ae/secret.log", "/%c0%ae%c0%ae/", "/%e0%80%ae%e0%80%ae/",
		"/..%ef%bc%8fsecret.log", "/%ef%bc%8e%ef%bc%8e/", "/..;/secret.log", "/..;/",
		"//etc/passwd", "///etc/passwd", "//../secret.log", "/etc/passwd", "/" + parent + "/secret.log",
		"/../secret.log%00.log", "/web.log%00/../../secret.log", "/%00", "/%00/",
		"/sub/.", "/sub/..", "/.dalogd/wal", "/.dalogd", "/web.log/../../secret.log",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{"GET", "HEAD"} {
				answers := raw(t, addr, method+" "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				require.Len(t, answers, 1)
				require.Equal(t, 4, answers[0].StatusCode/100, "%s: status %d", method, answers[0].StatusCode)
			}
		})
	}
	for _, target := range []string{"http://x/../secret.log", "http://x//etc/passwd", "http://../secret.log", "file:///etc/passwd"} {
		answers := raw(t, addr, "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		require.Len(t, answers, 1)
		require.Equal(t, 4, answers[0].StatusCode/100, target)
	}
}

// Requests as no client should send them are refused or answered, each once,
// without a hang and without a fault of the server. What follows a body is
// never taken for a request: senders and proxies may differ on where it ends.
func TestOddRequests(t *testing.T) {
	t.Parallel()
	base, _ := serveFiles(t, map[string]string{"web.log": "one\ntwo\n"})
	addr := strings.TrimPrefix(base, "http://")
	get := "GET /web.log HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, c := range []struct {
		name, text string
		want       []int // status of each answer
	}{
		{"two in one write", get + get, []int{200, 200}},
		{"HTTP/1.0", "GET /web.log HTTP/1.0\r\n\r\n", []int{200}},
		{"HTTP/1.0 with keep-alive", "GET /web.log HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /web.log HTTP/1.0\r\n\r\n", []int{200, 200}},
		{"HTTP/0.9", "GET /web.log\r\n\r\n", []int{400}},
		{"HTTP/9.9", "GET /web.log HTTP/9.9\r\nHost: x\r\n\r\n", []int{505}},
		{"no host", "GET /web.log HTTP/1.1\r\n\r\n", []int{400}},
		{"two hosts", "GET /web.log HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", []int{400}},
		{"evil host", "GET /web.log HTTP/1.1\r\nHost: x y\r\n\r\n", []int{400}},
		{"absolute form", "GET http://other/web.log HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{200}},
		{"absolute form without path", "GET http://other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{200}},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{200}},
		{"GET asterisk", "GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{404}},
		{"CONNECT", "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nConnection: close\r\n\r\n", []int{405}},
		{"CONNECT with a path", "CONNECT /web.log HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{405}},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{405}},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", []int{400}},
		{"syslog", "<15>1 2026-11-23T08:27:00+00:00 vm celery - - - hello\n\n", []int{400}},
		{"bad escape", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
		{"blank in the path", "GET /my file.log HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
		{"control in the path", "GET /web\x01.log HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
		{"fragment", "GET /web.log#x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{404}},
		{"folded header", "GET /web.log HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\nConnection: close\r\n\r\n", []int{200}},
		{"blank before the colon", "GET /web.log HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", []int{400}},
		{"header without a name", "GET /web.log HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", []int{400}},
		{"NUL in a header", "GET /web.log HTTP/1.1\r\nHost: x\r\nA: b\x00\r\n\r\n", []int{400}},
		{"bare LF", "GET /web.log HTTP/1.1\nHost: x\nConnection: close\n\n", []int{200}},
		{"body behind GET", "GET /web.log HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + get, []int{200}},
		{"body that never comes", "GET /web.log HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\nabc", []int{200}},
		{"length and chunked", "POST /web.log HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get, []int{405}},
		{"two lengths", "GET /web.log HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 30\r\n\r\nabc" + get, []int{400}},
		{"negative length", "GET /web.log HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", []int{400}},
		{"length with a sign", "GET /web.log HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", []int{400}},
		{"unknown coding", "POST /web.log HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n" + get, []int{501}},
		{"chunks that are none", "GET /web.log HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + get, []int{200}},
		{"expectation", "GET /web.log HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", []int{200}},
		{"unknown expectation", "GET /web.log HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", []int{417}},
		{"upgrade", "GET /web.log HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", []int{200}},
		{"long header", "GET /web.log HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("b", 200_000) + "\r\n\r\n", []int{431}},
		{"many headers", "GET /web.log HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 50_000) + "\r\n", []int{431}},
		{"many ranges", "GET /web.log HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes=" + strings.Repeat("0-0,", 10_000) + "0-0\r\n\r\n", []int{200}},
		{"many accepts", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: " + strings.Repeat("a/b;q=0.1,", 6_000) + "text/html\r\n\r\n", []int{200}},
		{"many parameters", "GET /web.log?" + strings.Repeat("n=1&", 10_000) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{400}},
		{"nothing", "", nil},
		{"half a request", "GET /web.log HT", []int{400}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []int
			for _, resp := range raw(t, addr, c.text) {
				got = append(got, resp.StatusCode)
			}
			require.Equal(t, c.want, got)
		})
	}
}

// A body is waited for no longer than it takes, and its connection ends.
func TestBodyIsBounded(t *testing.T) {
	t.Parallel()
	spy := startSpy(t, New(Config{Logs: twoFiles}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(spy.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	before := time.Now()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
	require.NoError(t, err)
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, 405, resp.StatusCode)
	require.True(t, resp.Close)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.WithinDuration(t, before.Add(bodyTimeout), spy.lastReadDeadline(), 5*time.Second)
	_, err = io.WriteString(conn, "cde")
	require.NoError(t, err)
	_, err = in.ReadByte()
	require.ErrorIs(t, err, io.EOF, "the connection stays open")
}

// FuzzPath gives the handler any request line. Whatever the path, only plain
// names reach the folder, and the answer is not a fault of the server.
func FuzzPath(f *testing.F) {
	for _, target := range []string{"/", "/web.log", "/..%2f", "//etc/passwd", "/%00", "http://x/../y", "*", "/a?n=1", "/\xff", "/.dalogd/wal", "/a/"} {
		f.Add(target)
	}
	var opened string
	h := New(Config{Logs: nameSpy{&opened}})
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil {
			return
		}
		opened = "plain"
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		require.Less(t, rec.Code, 500)
		require.NotContains(t, opened, "/")
		require.NotContains(t, opened, "\\")
		require.False(t, opened == "" || opened[0] == '.', "%q", opened)
	})
}

// nameSpy has no files, and notes the names that are asked for.
type nameSpy struct{ name *string }

func (nameSpy) List() ([]logstore.FileInfo, error) { return nil, nil }

func (s nameSpy) OpenFile(name string) (*logstore.Snapshot, error) {
	*s.name = name
	return nil, os.ErrNotExist
}

func (s nameSpy) OpenText(name string) (*logstore.Text, error) {
	*s.name = name
	return nil, os.ErrNotExist
}
