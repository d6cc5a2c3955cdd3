package sample

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 8, 27, 0, 345_000_000, time.UTC)
	for i := range Sources {
		source := &Sources[i]
		t.Run(source.Central, func(t *testing.T) {
			t.Parallel()
			one, same, other := NewServer("web1", 1), NewServer("web1", 1), NewServer("web1", 2)
			differs := false
			for range 200 {
				lines := one.Event(source, now)
				require.NotEmpty(t, lines)
				require.Equal(t, lines, same.Event(source, now))
				differs = differs || strings.Join(lines, "") != strings.Join(other.Event(source, now), "")
				for _, line := range lines {
					require.NotEmpty(t, strings.TrimSpace(line))
					require.NotContains(t, line, "\n")
					require.True(t, utf8.ValidString(line))
				}
			}
			require.True(t, differs, "the seed has no influence")
		})
	}
}

func TestNextReachesEverySourceBehindNginx(t *testing.T) {
	t.Parallel()
	server, seen := NewServer("web1", 1), make(map[string]bool)
	for range 2000 {
		source, _ := server.Next(time.Now())
		seen[source.Central] = true
	}
	require.Len(t, seen, len(Sources)-2)
	require.NotContains(t, seen, "apache_access.log")
}
