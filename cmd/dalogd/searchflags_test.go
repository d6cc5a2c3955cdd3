package main

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/httpindex"
)

func TestSearchFlags(t *testing.T) {
	t.Parallel()
	f, _, err := parseFlags([]string{
		"--config", "none", "--search-max", "3", "--search-time", "5s", "--search-scan", "1GiB", "--search-lines", "77", "--search-cores", "2",
		"--follow-max", "9", "--follow-max-per-peer", "4", "--follow-rate", "1MiB",
	}, nil, io.Discard, io.Discard)
	require.NoError(t, err)
	require.Equal(t, httpindex.Limits{Searches: 3, Time: 5 * time.Second, Scan: 1 << 30, Lines: 77, Followers: 9, FollowersOfPeer: 4, FollowRate: 1 << 20}, f.limits())
	require.Equal(t, 2, f.SearchCores)

	// The defaults are those that httpindex has by itself.
	f, _, err = parseFlags([]string{"--config", "none"}, nil, io.Discard, io.Discard)
	require.NoError(t, err)
	require.Equal(t, httpindex.Limits{Searches: 32, Time: 30 * time.Second, Scan: 64 << 30, Lines: 10_000, Followers: 200, FollowersOfPeer: 20, FollowRate: 64 << 20}, f.limits())

	for _, args := range [][]string{
		{"--search-max", "0"}, {"--search-lines", "-1"}, {"--follow-max", "0"}, {"--follow-max-per-peer", "0"}, {"--search-time", "0s"}, {"--search-time", "-5s"},
		{"--search-scan", "100"}, {"--search-cores", "-1"}, {"--follow-rate", "5"}, {"--search-time", "soon"},
	} {
		_, _, err := parseFlags(append(args, "--config", "none"), nil, io.Discard, io.Discard)
		require.ErrorContains(t, err, args[0], args)
	}
}
