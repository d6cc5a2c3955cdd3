package access

import "github.com/prometheus/client_golang/prometheus"

// reason is why a request was not handed on.
type reason int

const (
	notAllowed reason = iota
	noLogin
	badLogin
	slowedDown
	unprotected
	unknownHost
	otherSite
	badForward
	reasons
)

var reasonNames = [reasons]string{
	"network", "no_login", "bad_login", "too_many_logins", "unprotected_login", "unknown_host", "other_site", "forwarded",
}

// metrics are the counters of a Guard:
//
//	dalogd_http_denied_total{reason}  requests answered by the guard
//	dalogd_http_logins_total{how}     requests with a login that was right
type metrics struct {
	deniedVec *prometheus.CounterVec
	denied    [reasons]prometheus.Counter
	logins    *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		deniedVec: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dalogd_http_denied_total", Help: "HTTP requests that were not let through, by reason.",
		}, []string{"reason"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dalogd_http_logins_total", Help: "HTTP requests with a login that was right, by kind.",
		}, []string{"how"}),
	}
	for i, name := range reasonNames {
		m.denied[i] = m.deniedVec.WithLabelValues(name)
	}
	for _, how := range []string{"password", "token", "proxy"} {
		m.logins.WithLabelValues(how)
	}
	return m
}

// Describe implements [prometheus.Collector].
func (g *Guard) Describe(ch chan<- *prometheus.Desc) {
	g.metrics.deniedVec.Describe(ch)
	g.metrics.logins.Describe(ch)
}

// Collect implements [prometheus.Collector].
func (g *Guard) Collect(ch chan<- prometheus.Metric) {
	g.metrics.deniedVec.Collect(ch)
	g.metrics.logins.Collect(ch)
}
