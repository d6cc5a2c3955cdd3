package syslogsrv

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClashes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b Endpoint
		want bool
	}{
		{Endpoint{Network: TCP, Address: "[::]:514"}, Endpoint{Network: TCP, Address: ":514"}, true},
		{Endpoint{Network: TCP, Address: "[::]:514"}, Endpoint{Network: TCP, Address: "10.0.0.1:514", TLS: true}, true},
		{Endpoint{Network: TCP, Address: "10.0.0.1:514"}, Endpoint{Network: TCP, Address: "0.0.0.0:514"}, true},
		{Endpoint{Network: TCP, Address: "10.0.0.1:514"}, Endpoint{Network: TCP, Address: "10.0.0.2:514"}, false},
		{Endpoint{Network: TCP, Address: ":514"}, Endpoint{Network: TCP, Address: ":515"}, false},
		{Endpoint{Network: TCP, Address: ":514"}, Endpoint{Network: UDP, Address: ":514"}, false},
		{Endpoint{Network: Unix, Address: "/dev/log"}, Endpoint{Network: Unix, Address: "/dev/log"}, true},
		{Endpoint{Network: Unix, Address: "/dev/log"}, Endpoint{Network: Unixgram, Address: "/dev/log"}, true},
		{Endpoint{Network: Unix, Address: "/dev/log"}, Endpoint{Network: Unix, Address: "/run/log"}, false},
		{Endpoint{Network: Unix, Address: "/dev/log"}, Endpoint{Network: TCP, Address: "/dev/log"}, false},
	} {
		require.Equal(t, tc.want, tc.a.clashes(tc.b), "%v %v", tc.a, tc.b)
	}
}

// What is wrong with an address that is named twice is told, not "in use".
func TestListenTwice(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	for _, e := range []Endpoint{
		{Network: TCP, Address: "127.0.77.1:5514"}, // nobody else listens there
		{Network: UDP, Address: "127.0.77.1:5514"},
		{Network: Unix, Address: path},
		{Network: Unixgram, Address: path},
	} {
		_, err := Listen(Config{Listen: []Endpoint{e, e}})
		var twice *TwiceError
		require.ErrorAs(t, err, &twice, "%v", e)
		require.Equal(t, e, twice.First)
	}
}
