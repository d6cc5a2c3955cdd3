package access

import (
	"crypto/sha256"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config is who may read. Nothing in it may be changed afterwards; see
// [Guard.Change].
type Config struct {
	Open       []netip.Prefix // networks that may read without a login
	Login      []netip.Prefix // networks that may read after a login, besides those
	Private    []netip.Prefix // networks in which a login may travel unencrypted
	Proxies    []netip.Prefix // whose X-Forwarded-For, X-Forwarded-Proto and Forwarded are believed
	ProxyUsers bool           // believe their X-Forwarded-User as well
	Names      []string       // under which browsers may open the pages, besides addresses and local names; "*.DOMAIN" is every name in it
	Files      Files
	Logger     *slog.Logger // nil = nowhere
}

// Guard lets requests pass, or answers them.
type Guard struct {
	config   atomic.Pointer[Config]
	log      *slog.Logger
	tables   atomic.Pointer[tables]
	logins   *logins
	failures failures
	sessions sessions
	metrics  *metrics

	reloading sync.Mutex     // held while the files are read, and protects seen
	seen      [3]os.FileInfo // the files as they were at the last attempt
}

// New makes a guard and reads its files for the first time.
func New(cfg Config) (*Guard, error) {
	g := &Guard{log: cfg.Logger, logins: newLogins(), metrics: newMetrics()}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	return g, g.Change(cfg)
}

// MayConnect tells whether a connection from addr can lead to an answer.
func (g *Guard) MayConnect(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return contains(g.config.Load().Open, addr) || contains(g.config.Load().Proxies, addr) || contains(g.config.Load().Login, addr)
}

// IsProxy tells whether addr is a listed proxy's.
func (g *Guard) IsProxy(addr netip.Addr) bool {
	return contains(g.config.Load().Proxies, addr.Unmap().WithZone(""))
}

// Handler hands on to next what may pass. It leaves the writer as it is.
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := g.originOf(r)
		if err != nil {
			g.refuse(w, http.StatusBadRequest, badForward, err.Error())
			return
		}
		name, p, err := g.identify(r, from)
		if err != nil {
			g.notIdentified(w, from, err)
			return
		}
		browser := fromBrowser(r.Header)
		if browser && byOtherSite(r) {
			g.refuse(w, http.StatusForbidden, otherSite, "the page of another site asked for this; open it by itself")
			return
		}
		reader := g.tables.Load().reader(name)
		if name != "" {
			r, end := g.sessions.begin(r, reader, p)
			defer end()
			next.ServeHTTP(w, r)
			return
		}
		switch {
		case !from.open:
			g.notOpen(w, from)
		case browser && !from.https && !g.knowsHost(r.Host):
			g.refuse(w, http.StatusMisdirectedRequest, unknownHost,
				"this server does not know that it is called "+strconv.QuoteToASCII(r.Host)+": open it by its address, or start dalogd with --http-name and this name")
		default:
			next.ServeHTTP(w, r.WithContext(withReader(r.Context(), reader)))
		}
	})
}

// A loginError says why a login is not taken.
type loginError struct {
	err  error
	wait time.Duration // before the next one
}

func (e *loginError) Error() string { return e.err.Error() }

// identify finds the name that r proves; "" where it does not try to.
func (g *Guard) identify(r *http.Request, from origin) (string, proof, error) {
	if g.config.Load().ProxyUsers && from.proxy {
		if user := r.Header["X-Forwarded-User"]; len(user) == 1 && user[0] != "" && user[0] != Anonymous && user[0] != "*" {
			g.metrics.logins.WithLabelValues("proxy").Inc()
			return user[0], proof{proxy: true}, nil
		}
	}
	t := g.tables.Load()
	given := r.Header["Authorization"]
	if len(given) == 0 || t.users == nil && t.tokens == nil || !g.mayLogin(from) {
		return "", proof{}, nil
	}
	if len(given) > 1 {
		return "", proof{}, &loginError{err: errors.New("there are several Authorization headers")}
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if strings.EqualFold(scheme, "Bearer") {
		hash := sha256.Sum256([]byte(strings.TrimSpace(token)))
		if name, ok := t.tokens[hash]; ok {
			g.metrics.logins.WithLabelValues("token").Inc()
			return name, proof{token: &hash}, nil
		}
		return "", proof{}, g.failed(from, errors.New("unknown token"))
	}
	name, password, ok := r.BasicAuth()
	if !ok {
		return "", proof{}, &loginError{err: errors.New("the Authorization header is neither Basic nor Bearer")}
	}
	if t.users == nil {
		return "", proof{}, g.failed(from, errWrong)
	}
	hash := t.users[name]
	if !g.logins.known(name, password, hash) {
		if wait := g.failures.wait(from.addr, time.Now()); wait > 0 {
			return "", proof{}, &loginError{errors.New("too many failed logins from your address"), wait}
		}
		if err := g.logins.check(r.Context(), name, password, hash); errors.Is(err, errBusy) {
			return "", proof{}, &loginError{err, time.Second}
		} else if err != nil {
			return "", proof{}, g.failed(from, err)
		}
	}
	g.metrics.logins.WithLabelValues("password").Inc()
	return name, proof{hash: hash}, nil
}

// mayLogin tells whether a login from there counts. Behind a proxy the address of
// the client was not looked at when it connected.
func (g *Guard) mayLogin(from origin) bool {
	return from.local || from.open || contains(g.config.Load().Login, from.addr)
}

// failed counts a failed login, and makes the address wait after many. It is
// logged as long as the address is not known for it.
func (g *Guard) failed(from origin, why error) error {
	if g.failures.add(from.addr, time.Now()) {
		g.log.Warn("login failed", "addr", from.addr, "why", why)
	}
	return &loginError{err: why}
}

func (g *Guard) notIdentified(w http.ResponseWriter, from origin, err error) {
	var failed *loginError
	if errors.As(err, &failed) && failed.wait > 0 {
		seconds := int(math.Ceil(failed.wait.Seconds()))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		g.refuse(w, http.StatusTooManyRequests, slowedDown, err.Error()+"; try again in "+strconv.Itoa(seconds)+" s")
		return
	}
	g.challenge(w, from, badLogin, err.Error())
}

// notOpen answers somebody who gave no login and needs one.
func (g *Guard) notOpen(w http.ResponseWriter, from origin) {
	t := g.tables.Load()
	if t.users == nil && t.tokens == nil || !g.mayLogin(from) {
		text := "your network may not read here"
		if !from.addr.IsValid() {
			text = "the proxy does not tell who asks"
		}
		g.refuse(w, http.StatusForbidden, notAllowed, text+"; dalogd's --open-to, --login-from and --users say who may")
		return
	}
	g.challenge(w, from, noLogin, "log in to read here")
}

// challenge asks for a login, unless it would travel readable by everybody.
func (g *Guard) challenge(w http.ResponseWriter, from origin, why reason, text string) {
	if !from.https && !from.local && !contains(g.config.Load().Private, from.addr) {
		g.refuse(w, http.StatusForbidden, unprotected, "a login from your network is taken over HTTPS only")
		return
	}
	t := g.tables.Load()
	if t.users != nil {
		w.Header().Add("WWW-Authenticate", `Basic realm="dalog", charset="UTF-8"`)
	}
	if t.tokens != nil {
		w.Header().Add("WWW-Authenticate", `Bearer realm="dalog"`)
	}
	g.refuse(w, http.StatusUnauthorized, why, text)
}

// refuse answers with one line of text.
func (g *Guard) refuse(w http.ResponseWriter, status int, why reason, text string) {
	g.metrics.denied[why].Inc()
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // an error means that the client left
}
