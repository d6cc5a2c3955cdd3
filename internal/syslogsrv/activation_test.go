package syslogsrv

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The service manager's sockets are taken over in a process that it starts.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	stream, err := net.Listen("unix", filepath.Join(dir, "stream"))
	require.NoError(t, err)
	dgram, err := net.ListenPacket("unixgram", filepath.Join(dir, "dgram"))
	require.NoError(t, err)
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)

	cmd := child("activated")
	for _, s := range []interface{ File() (*os.File, error) }{
		tcp.(*net.TCPListener), udp.(*net.UDPConn), stream.(*net.UnixListener), dgram.(*net.UnixConn), secure.(*net.TCPListener),
	} {
		f, err := s.File()
		require.NoError(t, err)
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	for _, to := range []net.Addr{tcp.Addr(), udp.LocalAddr(), stream.Addr(), dgram.LocalAddr()} {
		c, err := net.Dial(to.Network(), to.String())
		require.NoError(t, err)
		defer c.Close()
		send(t, c, "<13>p: "+to.Network()+"\n") // before the process is there
	}
	require.NoError(t, stdin.Close())
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("tcp:%s udp:%s unix:%s unixgram:%s tls:%s \n4 messages\n",
		tcp.Addr(), udp.LocalAddr(), stream.Addr(), dgram.LocalAddr(), secure.Addr()), string(out))
	require.FileExists(t, stream.Addr().String(), "the file is the service manager's")
	require.FileExists(t, dgram.LocalAddr().String())
}

// activated is the process that systemd would start.
func activated([]string) error {
	env := map[string]string{"LISTEN_FDS": "5", "LISTEN_PID": strconv.Itoa(os.Getpid()), "LISTEN_FDNAMES": "syslog:unknown:::" + TLSSocketName}
	sockets, err := Inherited(func(key string) string { return env[key] })
	if err != nil {
		return err
	}
	for _, s := range sockets {
		fmt.Print(s.Endpoint, " ")
	}
	fmt.Println()
	r := startServer(new(testing.T), Config{Inherited: sockets}, nil)
	for len(r.sink.texts()) < 4 {
		time.Sleep(time.Millisecond)
	}
	if err := r.stop(); err != nil {
		return err
	}
	fmt.Println(len(r.sink.texts()), "messages")
	return nil
}

func TestNoActivation(t *testing.T) {
	t.Parallel()
	for _, env := range []map[string]string{
		{},
		{"LISTEN_FDS": "2"},
		{"LISTEN_FDS": "2", "LISTEN_PID": "1"}, // meant for another process
	} {
		sockets, err := Inherited(func(key string) string { return env[key] })
		require.NoError(t, err)
		require.Empty(t, sockets)
	}
	_, err := Inherited(func(key string) string {
		return map[string]string{"LISTEN_FDS": "x", "LISTEN_PID": strconv.Itoa(os.Getpid())}[key]
	})
	require.ErrorContains(t, err, `LISTEN_FDS="x"`)
}
