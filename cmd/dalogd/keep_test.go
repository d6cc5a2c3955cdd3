package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/logstore"
)

func parsed(t *testing.T, args ...string) (logstore.Config, error) {
	t.Helper()
	var out bytes.Buffer
	f, _, err := parseFlags(args, nil, &out, &out)
	var cfg logstore.Config
	if err == nil {
		f.keepFlags.apply(&cfg)
	}
	return cfg, err
}

func TestKeepFlags(t *testing.T) {
	t.Parallel()
	cfg, err := parsed(t)
	require.NoError(t, err)
	require.Equal(t, logstore.Config{
		RotateSize: 16 << 20, RotateEvery: logstore.Daily,
		Keep:     logstore.Keep{Age: 30 * 24 * time.Hour, Bytes: 10 << 30},
		KeepFree: logstore.Reserve{Percent: 5},
	}, cfg, "the defaults")

	cfg, err = parsed(t, "--rotate-size=0", "--rotate-every=never", "--keep-count=0", "--keep-age=0", "--keep-bytes=0", "--keep-free=0")
	require.NoError(t, err)
	require.Equal(t, logstore.Config{}, cfg, "all off")

	cfg, err = parsed(t, "--rotate-size=1GiB", "--rotate-every=hour", "--keep-count=7", "--keep-age=8w", "--keep-bytes=2TiB", "--keep-free=3GiB",
		"--keep=access*.log:age=7d:bytes=1GiB", "--keep=docassemble.log:count=0:age=0,worker.log:bytes=0")
	require.NoError(t, err)
	require.Equal(t, logstore.Config{
		RotateSize: 1 << 30, RotateEvery: logstore.Hourly,
		Keep:     logstore.Keep{Count: 7, Age: 56 * 24 * time.Hour, Bytes: 2 << 40},
		KeepFree: logstore.Reserve{Bytes: 3 << 30},
		KeepRules: []logstore.KeepRule{
			{Files: "access*.log", Keep: logstore.Keep{Age: 7 * 24 * time.Hour, Bytes: 1 << 30}},
			{Files: "docassemble.log", Keep: logstore.Keep{Count: -1, Age: -1}},
			{Files: "worker.log", Keep: logstore.Keep{Bytes: -1}},
		},
	}, cfg)
}

func TestKeepFlagsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ arg, says string }{
		{"--rotate-size=100", "4KiB or more"},
		{"--rotate-size=x", "not a size"},
		{"--rotate-size=-1", "not a size"},
		{"--rotate-size=99999999999TiB", "not a size"},
		{"--rotate-every=month", "not hour, day, week or never"},
		{"--keep-count=-1", "0 or more"},
		{"--keep-age=30", "not an age"},
		{"--keep-age=-1d", "not an age"},
		{"--keep-age=d", "not an age"},
		{"--keep-age=999999999d", "not an age"},
		{"--keep-free=5", "too little"},
		{"--keep-free=1.5GiB", "neither a size"},
		{"--keep-free=100%", "not a percentage"},
		{"--keep-free=NaN%", "not a percentage"},
		{"--keep-free=lots", "neither a size"},
		{"--keep=access.log", "has no limits"},
		{"--keep=:age=1d", "not the name"},
		{"--keep=[:age=1d", "not the name"},
		{"--keep=a.log:sise=3", "not a limit"},
		{"--keep=a.log:age=3", "not an age"},
		{"--keep=a.log:count=x", "not a number"},
		{"--keep=a.log:bytes=x", "not a size"},
	} {
		_, err := parsed(t, c.arg)
		require.ErrorContains(t, err, c.says, c.arg)
	}
}
