package httpindex

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the counters of a Handler:
//
//	dalogd_http_requests_total{route,class}  requests answered, by page and status class ("2xx")
//	dalogd_http_incomplete_total             file answers that ended before their last byte: the client left, or the file was cut
//	dalogd_http_follow_gaps_total            stretches that were not sent to clients that follow: they were too slow, or it had expired
type metrics struct {
	requests   *prometheus.CounterVec
	incomplete prometheus.Counter
	gaps       prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dalogd_http_requests_total",
			Help: "HTTP requests answered, by page and status class.",
		}, []string{"route", "class"}),
		incomplete: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dalogd_http_incomplete_total",
			Help: "File answers that ended before their last byte: the client left, or the file was cut meanwhile.",
		}),
		gaps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dalogd_http_follow_gaps_total",
			Help: "Stretches of log files that were not sent to clients that follow them.",
		}),
	}
}

// routeCounters are the counters of one page, from 2xx to 5xx.
type routeCounters [4]prometheus.Counter

func (m *metrics) route(name string) *routeCounters {
	var c routeCounters
	for i, class := range []string{"2xx", "3xx", "4xx", "5xx"} {
		c[i] = m.requests.WithLabelValues(name, class)
	}
	return &c
}

// count takes the status of a final answer, 200 to 599.
func (c *routeCounters) count(status int) { c[status/100-2].Inc() }

func (m *metrics) describe(ch chan<- *prometheus.Desc) {
	m.requests.Describe(ch)
	m.incomplete.Describe(ch)
	m.gaps.Describe(ch)
}

func (m *metrics) collect(ch chan<- prometheus.Metric) {
	m.requests.Collect(ch)
	m.incomplete.Collect(ch)
	m.gaps.Collect(ch)
}
