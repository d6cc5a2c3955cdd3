package httpindex

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Answers are read from a plain connection, so that the figures are those of
// the server and not of a client.
type benchClient struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
}

func newBenchClient(b *testing.B, addr, path, accept string) *benchClient {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(b, err)
	b.Cleanup(func() { conn.Close() })
	return &benchClient{conn, bufio.NewReaderSize(conn, 256<<10),
		fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: x\r\nAccept: %s\r\n\r\n", path, accept)}
}

// get asks once and returns the length of the body.
func (c *benchClient) get() (int, error) {
	if _, err := c.conn.Write(c.request); err != nil {
		return 0, err
	}
	length := -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) == 2 {
			break
		}
		if value, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			if _, err := fmt.Sscan(value, &length); err != nil {
				return 0, err
			}
		}
	}
	return c.in.Discard(length)
}

// The list of 20 files.
func BenchmarkList(b *testing.B) {
	dir := b.TempDir()
	for i := range 10 {
		require.NoError(b, os.WriteFile(filepath.Join(dir, fmt.Sprintf("program%d.log", i)), []byte("line\n"), 0o600))
	}
	store, _ := openStore(b, dir) // has ten standard files of its own
	addr := startServer(b, New(Config{Logs: store}))
	memory := startServer(b, New(Config{Logs: fixedList(b, store)}))
	for _, c := range []struct{ name, addr, accept string }{
		{"text", addr, "*/*"},
		{"json", addr, "application/json"},
		{"html", addr, "text/html"},
		{"json-without-folder", memory, "application/json"},
	} {
		b.Run(c.name, func(b *testing.B) {
			client := newBenchClient(b, c.addr, "/", c.accept)
			b.ReportAllocs()
			for b.Loop() {
				n, err := client.get()
				if err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}

// fixedList answers with the list as it is, without looking at the folder.
func fixedList(b *testing.B, logs Logs) Logs {
	b.Helper()
	files, err := logs.List()
	require.NoError(b, err)
	require.Len(b, files, 20)
	return fakeLogs{files: files}
}

// A file of 170 MB over loopback, against sendfile(2) without HTTP.
func BenchmarkDownload(b *testing.B) {
	const size = 170_000_000
	dir := b.TempDir()
	path := filepath.Join(dir, "web.log")
	line := strings.Repeat("x", 99) + "\n"
	require.NoError(b, os.WriteFile(path, []byte(strings.Repeat(line, size/len(line))), 0o600))
	store, _ := openStore(b, dir)

	download := func(addr string) func(b *testing.B) {
		return func(b *testing.B) {
			client := newBenchClient(b, addr, "/web.log", "*/*")
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				n, err := client.get()
				if err != nil || n != size {
					b.Fatal(n, err)
				}
			}
		}
	}
	b.Run("dalog", download(startServer(b, New(Config{Logs: store}))))
	b.Run("bare-sendfile", download(bareServer(b, path, size)))
	wrapped := New(Config{Logs: store})
	b.Run("copied", download(startServer(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wrapped.ServeHTTP(struct{ http.ResponseWriter }{w}, r) // hides the way to sendfile
	}))))
}

// bareServer answers every request with the file, and does nothing else.
func bareServer(b *testing.B, path string, size int64) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	b.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for {
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			file, err := os.Open(path)
			if err != nil {
				return
			}
			_, err = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
			if err == nil {
				_, err = io.Copy(conn, io.LimitReader(file, size))
			}
			file.Close()
			if err != nil {
				return
			}
		}
	}()
	return listener.Addr().String()
}

// The last 30 lines of a file of 170 MB.
func BenchmarkLastLines(b *testing.B) {
	dir := b.TempDir()
	line := strings.Repeat("x", 99) + "\n"
	require.NoError(b, os.WriteFile(filepath.Join(dir, "web.log"), []byte(strings.Repeat(line, 1_700_000)), 0o600))
	store, _ := openStore(b, dir)
	client := newBenchClient(b, startServer(b, New(Config{Logs: store})), "/web.log?n=30", "*/*")
	b.ReportAllocs()
	for b.Loop() {
		n, err := client.get()
		if err != nil || n != 3000 {
			b.Fatal(n, err)
		}
	}
}
