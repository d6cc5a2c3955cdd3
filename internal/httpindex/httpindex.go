package httpindex

import (
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dalog-project/dalog/internal/access"
	"github.com/dalog-project/dalog/internal/logstore"
)

// Logs is what can be read. Its methods are called from many goroutines.
type Logs interface {
	// List gives the files in the order in which they are shown.
	List() ([]logstore.FileInfo, error)
	// OpenFile opens one of them as it is at this moment, with a descriptor of
	// its own; the caller closes it. A name that List would not give is
	// fs.ErrNotExist.
	OpenFile(name string) (*logstore.Snapshot, error)
	// OpenText opens one of them with its closed parts, to look for lines; the
	// caller closes it. The same names are fs.ErrNotExist; what has no lines is
	// logstore.ErrNotText.
	OpenText(name string) (*logstore.Text, error)
}

// Config is what a Handler needs. Only Logs is required.
type Config struct {
	Logs      Logs
	Guard     *access.Guard // who may read; nil = everybody
	Alive     func() error  // why no messages are taken at present, nil if they are; must not block; nil func: never asked
	ReadyFile string        // path that exists while the host is ready for users; "" = it always is
	Metrics   http.Handler  // answers /metrics; nil = there is none
	Logger    *slog.Logger  // requests at debug, failures to read at error; nil = nowhere
	Hostname  string        // shown above the HTML list; "" = left out
	Intake    func() Intake // what the board shows besides the files; nil = nothing
	Limits    Limits        // on searches
}

// Handler answers all requests. It is a [prometheus.Collector] as well; its
// metrics are listed in metrics.go.
type Handler struct {
	cfg        Config
	everything Logs // Config's; pages use logs(r), which is what its sender may read
	log        *slog.Logger
	metrics    *metrics
	routes     http.Handler

	limits   Limits
	rhythms  rhythms
	searches chan struct{} // has a token for each search under way
	archives chan struct{} // and for each archive

	tails     tails
	followers followers
	pace      pace
	stop      chan struct{} // closed when the server stops
	stopOnce  sync.Once
}

// New makes the handler.
func New(cfg Config) *Handler {
	h := &Handler{cfg: cfg, everything: cfg.Logs, log: cfg.Logger, metrics: newMetrics()}
	h.cfg.Logs = nil // so that no page goes past logs(r)
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.cfg.Alive == nil {
		h.cfg.Alive = func() error { return nil }
	}
	h.limits = cfg.Limits.withDefaults()
	h.searches = make(chan struct{}, h.limits.Searches)
	h.archives = make(chan struct{}, maxAtOnce)
	h.tails.logs = h.everything
	h.stop = make(chan struct{})
	h.routes = h.newRouter()
	return h
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.routes.ServeHTTP(w, r) }

// Stop ends answers that would go on for ever. Their clients come back and go
// on where they were.
func (h *Handler) Stop() { h.stopOnce.Do(func() { close(h.stop) }) }

func (h *Handler) stopping() bool {
	select {
	case <-h.stop:
		return true
	default:
		return false
	}
}

// Describe implements [prometheus.Collector].
func (h *Handler) Describe(ch chan<- *prometheus.Desc) { h.metrics.describe(ch) }

// Collect implements [prometheus.Collector].
func (h *Handler) Collect(ch chan<- prometheus.Metric) { h.metrics.collect(ch) }
