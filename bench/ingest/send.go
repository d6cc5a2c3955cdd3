package main

import (
	"context"
	"io"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

// dial opens n sockets to addr, or none.
func dial(network, addr string, n int) (sockets []net.Conn, err error) {
	for range n {
		c, err := net.Dial(network, addr)
		if err != nil {
			closeAll(sockets)
			return nil, err
		}
		sockets = append(sockets, c)
	}
	return sockets, nil
}

func closeAll(sockets []net.Conn) {
	for _, c := range sockets {
		c.Close()
	}
}

// sendTCP pushes each part over a connection of its own, size bytes at once, as
// fast as the receiver takes them, and returns when the receiver has closed them
// all.
func sendTCP(ctx context.Context, conns []net.Conn, parts [][]byte, size int) error {
	defer context.AfterFunc(ctx, func() { closeAll(conns) })()
	var group errgroup.Group
	for i, part := range parts {
		group.Go(func() error {
			for len(part) > 0 {
				n := min(len(part), size)
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

// sendUDP offers rate datagrams a second, from the sockets in turn, in bursts of
// a millisecond's share.
func sendUDP(ctx context.Context, sockets []net.Conn, p payload, rate int) error {
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
