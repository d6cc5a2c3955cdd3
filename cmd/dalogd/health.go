package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthTimeout bounds a health check; containers give it no more.
const healthTimeout = 4 * time.Second

// healthCheck asks the first HTTP address that answers.
func healthCheck(ctx context.Context, f *flags) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	path := "/healthz"
	if f.Healthcheck.Ready {
		path = "/readyz"
	}
	var wrong []error
	for _, addr := range f.httpAddrs(false) {
		err := healthOf(ctx, "http://"+localAddr(string(addr))+path)
		if err == nil {
			return nil
		}
		wrong = append(wrong, err)
	}
	return fmt.Errorf("not healthy: %w", errors.Join(wrong...))
}

func healthOf(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, strings.TrimSpace(string(text)))
	}
	return err
}

// localAddr is where this machine reaches an address that is listened on. It
// names no host: an image without anything knows no localhost.
func localAddr(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	switch ip := net.ParseIP(host); {
	case host == "" || ip != nil && ip.To4() != nil && ip.IsUnspecified():
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
