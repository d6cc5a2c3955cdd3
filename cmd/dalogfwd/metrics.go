package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/forwarder"
)

// metricsFlags say where dalogfwd can be looked at from outside.
type metricsFlags struct {
	Metrics string `group:"Seen from outside" placeholder:"ADDR" help:"Serve /metrics for Prometheus, and /healthz, on this address, such as 127.0.0.1:9514. Who may connect is not checked. Default: not served."`
}

// registry gathers the forwarder's counters.
func registry(stats func() forwarder.Stats) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collector{stats},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "dalogfwd_build_info", Help: "Always 1; the label tells the version.",
			ConstLabels: prometheus.Labels{"version": versionText()},
		}, func() float64 { return 1 }),
	)
	return r
}

// collector collects the Stats of a Forwarder.
type collector struct{ stats func() forwarder.Stats }

type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*forwarder.Stats) float64
}

func counter(name, help string, value func(*forwarder.Stats) uint64) metric {
	return metric{prometheus.NewDesc("dalogfwd_"+name, help, nil, nil), prometheus.CounterValue, func(s *forwarder.Stats) float64 { return float64(value(s)) }}
}

func gauge(name, help string, value func(*forwarder.Stats) float64) metric {
	return metric{prometheus.NewDesc("dalogfwd_"+name, help, nil, nil), prometheus.GaugeValue, value}
}

var forwarderMetrics = []metric{
	counter("lines_total", "Lines read from files.", func(s *forwarder.Stats) uint64 { return s.Lines }),
	counter("lines_blank_total", "Empty lines left out.", func(s *forwarder.Stats) uint64 { return s.Blank }),
	counter("lines_cut_total", "Lines too long for one message, sent in pieces.", func(s *forwarder.Stats) uint64 { return s.Cut }),
	counter("lines_delivered_total", "Lines that the server has confirmed.", func(s *forwarder.Stats) uint64 { return s.Delivered }),
	counter("sent_bytes_total", "Bytes sent, repeated ones included.", func(s *forwarder.Stats) uint64 { return s.Bytes }),
	counter("resent_bytes_total", "Bytes sent again after a connection was lost.", func(s *forwarder.Stats) uint64 { return s.Resent }),
	counter("connects_total", "Connections made.", func(s *forwarder.Stats) uint64 { return s.Connects }),
	counter("dial_failures_total", "Attempts to connect that failed.", func(s *forwarder.Stats) uint64 { return s.DialFailures }),
	counter("registry_failures_total", "Attempts to write the positions that failed.", func(s *forwarder.Stats) uint64 { return s.SaveFailures }),
	counter("files_truncated_total", "Files whose content was replaced.", func(s *forwarder.Stats) uint64 { return s.Truncated }),
	counter("lost_bytes_total", "Bytes that were in files and are gone unread.", func(s *forwarder.Stats) uint64 { return s.LostBytes }),
	counter("batches_refused_total", "Batches that the server did not take because it stands elsewhere.", func(s *forwarder.Stats) uint64 { return s.Refused }),
	counter("rewound_bytes_total", "Bytes sent again because the server no longer had them.", func(s *forwarder.Stats) uint64 { return s.Rewound }),
	counter("sources_forked_total", "Files that got a new name because the server had other content under the old one.", func(s *forwarder.Stats) uint64 { return s.Forks }),
	counter("clones_total", "Times that another dalogfwd turned out to use a copy of this one's state.", func(s *forwarder.Stats) uint64 { return s.Clones }),
	gauge("connected", "1 while there is a connection to a server.", func(s *forwarder.Stats) float64 {
		if s.Connected != "" {
			return 1
		}
		return 0
	}),
	gauge("files_open", "Files held open.", func(s *forwarder.Stats) float64 { return float64(s.Open) }),
	gauge("unread_bytes", "Bytes in files that are seen and not read yet.", func(s *forwarder.Stats) float64 { return float64(s.Unread) }),
	gauge("unconfirmed_bytes", "Bytes sent, or about to be, and not confirmed.", func(s *forwarder.Stats) float64 { return float64(s.Unconfirmed) }),
}

// Describe implements [prometheus.Collector].
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range forwarderMetrics {
		ch <- m.desc
	}
}

// Collect implements [prometheus.Collector].
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for _, m := range forwarderMetrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&s))
	}
}

// listenMetrics takes the address, if there is one.
func listenMetrics(f *flags) (net.Listener, error) {
	if f.Metrics == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", f.Metrics)
	if err != nil {
		return nil, &cli.ExitError{Code: cli.ExitInUse, Err: fmt.Errorf("cannot serve metrics: %w. Choose another address with --metrics, or leave it out", err)}
	}
	return l, nil
}

// serveMetrics serves until ctx ends. It is well as long as it answers: that a
// server is away is no fault of this process.
func serveMetrics(ctx context.Context, l net.Listener, stats func() forwarder.Stats, log *slog.Logger) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry(stats), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		stats()
		fmt.Fprintln(w, "ok")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		log.Error("metrics are not served any more", "err", err)
	}
}
