package browser

import (
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/httpindex"
	"github.com/dalog-project/dalog/internal/logstore"
)

// Home says what there is, who is silent, what is refused and how much room is
// left, and grows while one looks.
func TestHome(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(2 * time.Hour)
	d := l.serve("--rotate-size", "300KiB")
	b := newChrome(t).tab(t, d, wide)
	b.open("/")
	b.wait(`document.querySelectorAll("td.spark svg").length > 5`)
	require.Equal(t, "web3 is silent", eval[string](b, `document.querySelector(".tile.bad b").textContent`))
	require.Contains(t, b.text(), "nothing from any program for 4")
	require.Contains(t, b.text(), "of disk left")
	require.Contains(t, b.text(), "Nothing refused or dropped")
	b.wait(`document.querySelectorAll("#writers tbody tr.silent").length >= 6`)
	require.Zero(t, b.count(`#writers tbody tr.silent a[href*="web1"]`))
	b.wait(`document.querySelector('tr[data-file="worker.log"] td.hosts').textContent.includes("web1")`)

	// It grows.
	stop := l.keepWriting(d, 400)
	b.wait(`[...document.querySelectorAll(".growth")].some((c) => c.textContent.endsWith("/s"))`)
	stop()

	// Parts are shown beneath their file, and are text.
	b.open("/")
	b.wait(`document.querySelector("details summary")`)
	require.Contains(t, eval[string](b, `document.querySelector("tbody details summary").textContent`), "older part")

	// A search from here goes over all files.
	b.run(typeInto(`.everywhere input`, sessionUID+"\r"))
	b.waitLines()
	b.wait(`document.querySelectorAll(".row").length === 5`)
	require.Contains(t, eval[string](b, "location.href"), "/-/view?")
}

// When dalogd is away the page says so and keeps what it had.
func TestHomeWhileAway(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(time.Hour)
	d := l.serve()
	b := newChrome(t).tab(t, d, wide)
	b.open("/")
	b.wait(`document.querySelectorAll(".tile").length > 2`)
	require.NoError(t, d.Kill())
	b.wait(`!document.querySelector("#stale").hidden`)
	require.Contains(t, b.text(), "does not answer")
	require.Contains(t, b.text(), "docassemble.log")
}

// What dalogfwd delivers is told by file, and gaps before all else.
func TestGapsInDelivery(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(time.Hour)
	store, err := logstore.Open(logstore.Config{Dir: l.dir})
	require.NoError(t, err)
	defer store.Close()
	now := time.Now()
	sources := []httpindex.SourceState{
		{Host: "web1", Path: "/var/log/uwsgi.log", Source: "00aa", Committed: 5 << 20, LastSeen: now, Connected: true},
		{Host: "web1", Path: "/var/log/uwsgi.log", Source: "00ab", Committed: 9 << 20, LastSeen: now.Add(-24 * time.Hour)},
		{Peer: "web2.example.org", Source: "00ac", Committed: 10, LastSeen: now.Add(-time.Minute)},
	}
	server := httptest.NewServer(httpindex.New(httpindex.Config{Logs: store, Intake: func() httpindex.Intake {
		return httpindex.Intake{Sources: slices.Clone(sources)}
	}}))
	defer server.Close()
	b := newChrome(t).tab(t, &daemon{url: server.URL}, wide)
	b.open("/")
	b.wait(`document.querySelectorAll("#deliveries tbody tr").length === 2`)
	require.Contains(t, b.text(), "Delivery is complete")
	require.Contains(t, b.text(), "/var/log/uwsgi.log and 1 rotated")

	sources[1].First, sources[1].Skipped = 1<<20, 3<<19
	b.open("/")
	b.wait(`document.querySelector("#deliveries tr.missing")`)
	require.Contains(t, eval[string](b, `document.querySelector(".tile.warn").textContent`), "1.5 MiB missingweb1 /var/log/uwsgi.log: 1.5 MiB")
	require.Contains(t, eval[string](b, `document.querySelector("#deliveries tbody tr").textContent`), "1.5 MiB missing")
	b.look("gaps")
}
