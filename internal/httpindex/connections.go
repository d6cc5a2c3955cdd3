package httpindex

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Connections bounds the connections of a server, so that descriptors are left
// for log files, and clients that hold connections cannot keep others out: the
// connection that has been without a whole request for longest makes room for
// a new one. A connection that is being answered never does.
//
// It is a [prometheus.Collector]:
//
//	dalogd_http_connections_open            connections at present
//	dalogd_http_connections_closed_total    those closed to make room for another
//	dalogd_http_connections_refused_total   those not taken: all others are being answered, or the peer has too many
type Connections struct {
	max, maxOfPeer int
	exempt         func(netip.Addr) bool // from maxOfPeer

	mu      sync.Mutex
	all     map[net.Conn]*connection
	peers   map[netip.Addr]int
	waiting list.List // of *connection without a request, the oldest in front

	open            prometheus.GaugeFunc
	closed, refused prometheus.Counter
}

// connection is one of them. The fields are under Connections.mu.
type connection struct {
	conn    net.Conn
	peer    netip.Addr
	answers int           // under way; several over HTTP/2
	place   *list.Element // in waiting; nil while there are answers
}

// NewConnections bounds to max in all, and to maxOfPeer those of one address
// that exempt, if it is not nil, is not true of.
func NewConnections(max, maxOfPeer int, exempt func(netip.Addr) bool) *Connections {
	c := &Connections{
		max: max, maxOfPeer: maxOfPeer, exempt: exempt,
		all: make(map[net.Conn]*connection), peers: make(map[netip.Addr]int),
		closed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dalogd_http_connections_closed_total", Help: "HTTP connections without a request that were closed to make room.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dalogd_http_connections_refused_total", Help: "HTTP connections that were not taken, because there are too many.",
		}),
	}
	c.open = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "dalogd_http_connections_open", Help: "HTTP connections at present.",
	}, func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return float64(len(c.all))
	})
	return c
}

// Describe implements [prometheus.Collector].
func (c *Connections) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements [prometheus.Collector].
func (c *Connections) Collect(ch chan<- prometheus.Metric) {
	c.open.Collect(ch)
	c.closed.Collect(ch)
	c.refused.Collect(ch)
}

// Bind has server tell what its connections do. Its listeners must all be made
// by Limit.
func (c *Connections) Bind(server *http.Server) {
	next := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(connectionKey{}).(*connection); ok {
			c.answering(conn, 1)
			defer c.answering(conn, -1)
		}
		next.ServeHTTP(w, r)
	})
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		c.mu.Lock()
		defer c.mu.Unlock()
		return context.WithValue(ctx, connectionKey{}, c.all[beneath(conn)])
	}
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateClosed || state == http.StateHijacked {
			c.remove(beneath(conn))
		}
	}
}

type connectionKey struct{}

// beneath is the connection that the listener gave.
func beneath(conn net.Conn) net.Conn {
	if t, ok := conn.(*tls.Conn); ok {
		return t.NetConn()
	}
	return conn
}

// Limit is l within the bounds.
func (c *Connections) Limit(l net.Listener) net.Listener { return &limited{l, c} }

type limited struct {
	net.Listener
	connections *Connections
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.connections.add(conn) {
			return conn, nil
		}
		conn.Close()
	}
}

// add takes conn in, if there is room or room can be made.
func (c *Connections) add(conn net.Conn) bool {
	new := &connection{conn: conn}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		new.peer = tcp.AddrPort().Addr().Unmap()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	crowd := c.peers[new.peer] >= c.maxOfPeer && new.peer.IsValid() && (c.exempt == nil || !c.exempt(new.peer))
	if oldest := c.waiting.Front(); !crowd && len(c.all) >= c.max && oldest != nil {
		victim := oldest.Value.(*connection)
		c.forget(victim)
		victim.conn.Close()
		c.closed.Inc()
	}
	if crowd || len(c.all) >= c.max {
		c.refused.Inc()
		return false
	}
	c.all[conn] = new
	c.peers[new.peer]++
	new.place = c.waiting.PushBack(new)
	return true
}

func (c *Connections) remove(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.all[conn]; known != nil {
		c.forget(known)
	}
}

// forget takes conn out. mu is held.
func (c *Connections) forget(conn *connection) {
	delete(c.all, conn.conn)
	if c.peers[conn.peer]--; c.peers[conn.peer] == 0 {
		delete(c.peers, conn.peer)
	}
	if conn.place != nil {
		c.waiting.Remove(conn.place)
		conn.place = nil
	}
}

// answering notes that one more or one less answer is under way.
func (c *Connections) answering(conn *connection, more int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.answers += more
	switch {
	case c.all[conn.conn] != conn: // closed meanwhile
	case conn.answers > 0 && conn.place != nil:
		c.waiting.Remove(conn.place)
		conn.place = nil
	case conn.answers == 0 && conn.place == nil:
		conn.place = c.waiting.PushBack(conn)
	}
}
