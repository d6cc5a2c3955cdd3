package httpindex

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type placed struct {
	Lines []struct {
		File, Raw, Text string
		Offset, Cut     int
	}
	Before, After string
	More          bool
}

// From any page of several files one gets to all lines before it and behind it,
// each once, by the places that the answers name.
func TestPlacesOfSeveralFiles(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	files := map[string]string{"empty.log": ""}
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	var all []string
	texts := map[string]*strings.Builder{"a.log": {}, "b.log": {}, "c.log": {}}
	for i := range 400 {
		at = at.Add(time.Duration(1+rnd.IntN(5)) * time.Second)
		name := []string{"a.log", "a.log", "a.log", "b.log", "c.log"}[rnd.IntN(5)]
		if name == "c.log" && i > 100 {
			name = "a.log" // c.log ends early
		}
		line := fmt.Sprintf("%s web1 p: line %d %s", at.Format(time.RFC3339), i, []string{"odd", "even"}[i%2])
		texts[name].WriteString(line + "\n")
		all = append(all, line)
	}
	for name, text := range texts {
		files[name] = text.String()
	}
	base, _ := serveFiles(t, files)
	page := func(query string) (p placed) {
		resp, body := get(t, base+"/search?format=json&limit=17"+query)
		require.Equal(t, 200, resp.StatusCode, body)
		require.NoError(t, json.Unmarshal([]byte(body), &p), body)
		return p
	}
	raws := func(p placed) (raw []string) {
		for _, l := range p.Lines {
			raw = append(raw, l.Raw)
		}
		return raw
	}
	for _, filter := range []string{"", "&grep=even&match=literal"} {
		var want []string
		for _, line := range all {
			if filter == "" || strings.HasSuffix(line, "even") {
				want = append(want, line)
			}
		}
		for _, start := range []string{
			"&direction=forward", "&direction=backward",
			"&since=2026-11-23T08:06:00Z", "&until=2026-11-23T08:06:00Z&direction=backward",
			"&since=2026-11-23T08:15:00Z", "&until=2026-11-23T08:15:00Z&direction=backward",
		} {
			first := page(filter + start)
			got := raws(first)
			require.NotEmpty(t, got, start)
			for place := first; ; {
				place = page(filter + "&direction=backward&cursor=" + url.QueryEscape(place.Before))
				if len(place.Lines) == 0 {
					break
				}
				got = append(raws(place), got...)
			}
			for place := first; ; {
				place = page(filter + "&cursor=" + url.QueryEscape(place.After))
				if len(place.Lines) == 0 {
					break
				}
				got = append(got, raws(place)...)
			}
			require.Equal(t, want, got, "%s%s", filter, start)
		}
	}
}

func TestCutLines(t *testing.T) {
	t.Parallel()
	long := "2026-11-23T08:00:00-05:00 web1 p: " + strings.Repeat("é", 40_000)
	base, _ := serveFiles(t, map[string]string{"a.log": long + "\nshort\n"})
	for _, path := range []string{"/a.log?format=json", "/search?format=json"} {
		var p placed
		_, body := get(t, base+path+"&cut=4096")
		require.NoError(t, json.Unmarshal([]byte(body), &p), body)
		require.Equal(t, len(long), p.Lines[0].Cut)
		require.True(t, strings.HasPrefix(long, p.Lines[0].Raw)) // at a character's end
		require.InDelta(t, 4096, len(p.Lines[0].Raw), 2)
		require.True(t, strings.HasSuffix(p.Lines[0].Raw, p.Lines[0].Text))
		require.Zero(t, p.Lines[1].Cut)
		require.Equal(t, "short", p.Lines[1].Raw)
	}
	for query, status := range map[string]int{"?cut=4096": 400, "?format=json&cut=10": 400, "?format=json&cut=x": 400, "?format=json&cut=1048576": 200} {
		resp, _ := get(t, base+"/a.log"+query)
		require.Equal(t, status, resp.StatusCode, query)
	}
}
