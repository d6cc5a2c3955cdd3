package httpindex

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBoard(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "%s web3 celery[1]: tick\n", now.Add(-40*time.Minute).Add(time.Duration(i-200)*time.Second).Format(time.RFC3339))
	}
	fmt.Fprintf(&text, "%s web1 celery[1]: first\n", now.Format(time.RFC3339))
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "worker.log"), []byte(text.String()), 0o600))
	store, _ := openStore(t, dir)
	intake := func() Intake {
		return Intake{
			Refused: map[string]uint64{"address": 3}, Dropped: 2, Disk: Disk{Free: 5, Total: 10, Files: 1},
			Sources: []SourceState{
				{Host: "web1", Path: "/a.log", Source: "00ff", Committed: 9, LastSeen: now},
				{Host: "web2", Path: "/b.log", Source: "11ee", First: 3, Committed: 90, Skipped: 7, LastSeen: now.Add(-time.Hour)},
			},
		}
	}
	for name, cfg := range map[string]Config{"all": {Logs: store, Intake: intake}, "no counters": {Logs: store}} {
		base := serve(t, cfg)
		resp, body := get(t, base+"/board")
		require.Equal(t, 200, resp.StatusCode, body)
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		var a boardAnswer
		require.NoError(t, json.Unmarshal([]byte(body), &a), body)
		require.Len(t, a.Hosts, 2, name)
		require.Equal(t, "web1", a.Hosts[0].Host)
		require.Nil(t, a.Hosts[0].Every)
		require.False(t, a.Hosts[0].Silent)
		require.Equal(t, "web3", a.Hosts[1].Host)
		require.Equal(t, "celery", a.Hosts[1].Program)
		require.Equal(t, 1.0, *a.Hosts[1].Every)
		require.True(t, a.Hosts[1].Silent)
		if name == "all" {
			require.EqualValues(t, 2, *a.Dropped)
			require.EqualValues(t, 3, a.Refused["address"])
			require.EqualValues(t, 5, a.Disk.Free)
			require.Equal(t, 2, a.Number)
			require.Equal(t, []string{"11ee", "00ff"}, []string{a.Sources[0].Source, a.Sources[1].Source}, "what is missing comes first")
			require.EqualValues(t, 7, a.Sources[0].Skipped)
		} else {
			require.Nil(t, a.Disk)
			require.Nil(t, a.Dropped)
		}
		resp, _ = get(t, base+"/board?x=1")
		require.Equal(t, 400, resp.StatusCode)
	}
}
