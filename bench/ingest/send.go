package main

import (
	"context"
	"io"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

const writeSize = 256 << 10

// sendTCP pushes each part over a connection of its own, as fast as the
// receiver takes it.
func sendTCP(ctx context.Context, addr string, parts [][]byte) error {
	conns := make([]net.Conn, len(parts))
	for i := range parts {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		conns[i] = c
	}
	defer context.AfterFunc(ctx, func() {
		for _, c := range conns {
			c.Close()
		}
	})()
	var group errgroup.Group
	for i, part := range parts {
		group.Go(func() error {
			for len(part) > 0 {
				n := min(len(part), writeSize)
				if _, err := conns[i].Write(part[:n]); err != nil {
					return err
				}
				part = part[n:]
			}
			if err := conns[i].(*net.TCPConn).CloseWrite(); err != nil {
				return err
			}
			// The receiver closes when it has read everything.
			_, err := io.Copy(io.Discard, conns[i])
			return err
		})
	}
	return group.Wait()
}

// sendUDP offers rate datagrams a second, from four sockets in turn as from
// four hosts, in bursts of a millisecond's share.
func sendUDP(ctx context.Context, addr string, p payload, rate int) error {
	var sockets [4]net.Conn
	for i := range sockets {
		c, err := net.Dial("udp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		sockets[i] = c
	}
	began := time.Now()
	for i := 0; i < len(p.ends) && ctx.Err() == nil; {
		due := min(len(p.ends), int(time.Since(began).Seconds()*float64(rate))+1)
		for ; i < due; i++ {
			if _, err := sockets[i%len(sockets)].Write(p.message(i)); err != nil {
				return err
			}
		}
		time.Sleep(time.Millisecond)
	}
	return ctx.Err()
}

// sending is a transfer under way.
type sending struct {
	done chan struct{}
	err  error // once done is closed
}

func startSending(send func() error) *sending {
	s := &sending{done: make(chan struct{})}
	go func() {
		s.err = send()
		close(s.done)
	}()
	return s
}

func (s *sending) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}
