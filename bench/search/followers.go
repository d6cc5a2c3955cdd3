package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	senders  = 4
	messages = 1_000_000 // of each sender: seconds, or how followers begin is what is measured
)

// followers measures how fast dalogd receives messages without and with 200
// clients that follow the file they go to, in turn.
func followers(ctx context.Context, clients int) error {
	dir, err := os.MkdirTemp("", "dalog-followers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := startServer(ctx, dir)
	if err != nil {
		return err
	}
	defer s.stop()
	var rates [2][]float64
	for range max(1, *rounds) {
		for with := range 2 {
			rate, err := s.receive(ctx, with*clients)
			if err != nil {
				return err
			}
			rates[with] = append(rates[with], rate)
		}
	}
	var middle [2]float64
	for i := range rates {
		slices.Sort(rates[i])
		middle[i] = rates[i][len(rates[i])/2]
	}
	fmt.Printf("receiving alone %.0f messages/s, beside %d followers %.0f (%.2f x)\n", middle[0], clients, middle[1], middle[1]/middle[0])
	return nil
}

// receive is how many messages a second get into their file.
func (s *server) receive(ctx context.Context, clients int) (float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := range clients {
		// One address may have 20.
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i/20))}}
		transport := &http.Transport{DialContext: dialer.DialContext}
		defer transport.CloseIdleConnections()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/worker.log?follow=1", nil)
		if err != nil {
			return 0, err
		}
		req.Header.Set("Accept", "text/event-stream")
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("follower: %s", resp.Status)
		}
		go func() { _, _ = io.Copy(io.Discard, resp.Body) }()
	}
	before, err := s.counter("dalogd_messages_total")
	if err != nil {
		return 0, err
	}
	payload := fmt.Sprintf("<15>1 2026-11-23T08:27:00+00:00 web1 celery - - - %s", strings.Repeat("a line of some length ", 9))
	frame := fmt.Sprintf("%d %s", len(payload), payload)
	began := time.Now()
	var wait sync.WaitGroup
	failed := make(chan error, senders)
	for range senders {
		wait.Go(func() {
			conn, err := net.Dial("tcp", s.tcp)
			if err == nil {
				out := bufio.NewWriterSize(conn, 256<<10)
				for range messages {
					_, _ = out.WriteString(frame) // Flush tells
				}
				err = out.Flush()
				conn.Close()
			}
			failed <- err
		})
	}
	wait.Wait()
	for range senders {
		if err := <-failed; err != nil {
			return 0, err
		}
	}
	for {
		now, err := s.counter("dalogd_messages_total")
		if err != nil {
			return 0, err
		}
		if now-before >= senders*messages {
			return senders * messages / time.Since(began).Seconds(), nil
		}
		if time.Since(began) > 2*time.Minute {
			return 0, fmt.Errorf("%.0f of %d messages after two minutes", now-before, senders*messages)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
