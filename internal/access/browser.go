package access

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// fromBrowser tells whether a browser sent r. Pages of others can make a
// browser send requests, and cannot keep all of these marks away; the programs
// that read logs send none of them.
func fromBrowser(h http.Header) bool {
	for _, name := range []string{"Accept-Language", "Origin", "Referer", "Cookie", "Upgrade-Insecure-Requests"} {
		if _, ok := h[name]; ok {
			return true
		}
	}
	for name := range h {
		if strings.HasPrefix(name, "Sec-") {
			return true
		}
	}
	return strings.HasPrefix(h.Get("User-Agent"), "Mozilla/")
}

// byOtherSite tells whether the page of another site had the browser send r,
// other than by a link.
func byOtherSite(r *http.Request) bool {
	if origin, ok := r.Header["Origin"]; ok {
		u, err := url.Parse(origin[0])
		if err != nil || !strings.EqualFold(u.Host, r.Host) {
			return true
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
	}
	return false
}

// privateDomains end in no name that somebody else can register, so that no
// page of a stranger has a name in them.
var privateDomains = []string{
	".localhost", ".local", ".internal", ".home.arpa", ".lan", ".localdomain", ".intranet", ".private", ".corp", ".home", ".svc", ".test",
}

// knowsHost tells whether a page under this name is this server's, and not one
// of a stranger who has let the name point here (DNS rebinding).
func (g *Guard) knowsHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	if !strings.Contains(host, ".") {
		return true // a name without a domain is one of the local network
	}
	if slices.ContainsFunc(privateDomains, func(d string) bool { return strings.HasSuffix(host, d) }) {
		return true
	}
	return slices.ContainsFunc(g.config.Load().Names, func(name string) bool {
		name = strings.ToLower(name)
		if domain, ok := strings.CutPrefix(name, "*"); ok && strings.HasPrefix(domain, ".") {
			return strings.HasSuffix(host, domain)
		}
		return host == name
	})
}
