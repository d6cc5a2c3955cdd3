package httpindex

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// What takes longer to find out than a client may take for the answer is answered
// all the same, over HTTP/1 and HTTP/2: before the first byte, and between two.
func TestLongSearch(t *testing.T) {
	t.Parallel()
	const limit = time.Second // for the handshake, too, which a busy machine may hold up
	pages := map[string]page{
		"/number": func(w http.ResponseWriter, r *http.Request) int {
			time.Sleep(3 * limit)
			return reply(w, http.StatusOK, textType, []byte("17\n"))
		},
		"/lines": func(w http.ResponseWriter, r *http.Request) int {
			s := newStream(w)
			defer s.abandon()
			for _, line := range []string{"1", "7", "\n"} {
				time.Sleep(3 * limit)
				if s.appendString(line) != nil {
					return http.StatusOK
				}
			}
			_ = s.close()
			return http.StatusOK
		},
		"/archive": func(w http.ResponseWriter, r *http.Request) int {
			out := newPatientWriter(w)
			for _, line := range []string{"1", "7", "\n"} {
				time.Sleep(3 * limit)
				_, _ = io.WriteString(&out.conn, line)
			}
			return http.StatusOK
		},
	}
	var all sync.WaitGroup
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(nil)
		server.Config = NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			looking(pages[r.URL.Path])(w, r)
		}), slog.New(slog.DiscardHandler))
		server.Config.WriteTimeout = limit
		server.EnableHTTP2 = http2
		server.StartTLS()
		t.Cleanup(server.Close)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2}}
		t.Cleanup(client.CloseIdleConnections)
		t.Cleanup(client.CloseIdleConnections)
		for path := range pages {
			all.Go(func() {
				answer, err := client.Get(server.URL + path)
				if !assert.NoError(t, err, path) {
					return
				}
				assert.Equal(t, http2, answer.ProtoMajor == 2)
				body, err := io.ReadAll(answer.Body)
				assert.NoError(t, err, path)
				assert.NoError(t, answer.Body.Close())
				assert.Equal(t, "17\n", string(body), path)
			})
		}
	}
	all.Wait()
}
