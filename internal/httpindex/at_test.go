package httpindex

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// at= begins where the lines of a time are, in either direction, over all parts,
// with the filters of the rest of the query.
func TestAt(t *testing.T) {
	t.Parallel()
	for _, packed := range []bool{false, true} {
		f := serveRotated(t, packed)
		at := func(second int) string {
			return "at=" + url.QueryEscape(fmt.Sprintf("2026-11-23T08:%02d:%02dZ", second/60, second%60))
		}
		for query, want := range map[string]string{
			"/worker.log?limit=3&" + at(20):                                f.join(20, 21, 22),
			"/worker.log?limit=3&direction=backward&" + at(20):             f.join(17, 18, 19),
			"/worker.log?n=2&" + at(70):                                    f.join(68, 69),
			"/worker.log?limit=2&level=error&" + at(41):                    f.join(49, 59),
			"/worker.log?limit=2&level=error&direction=backward&" + at(41): f.join(29, 39),
			"/worker.log?limit=2&" + at(3):                                 f.join(10, 11), // what is left begins later
			"/worker.log?limit=2&" + at(600):                               "",
			"/worker.log?n=2&" + at(600):                                   f.join(98, 99),
			"/worker.log?" + at(97) + "&until=2026-11-23T08:01:39Z":        f.join(97, 98),
			"/search?limit=2&" + at(50):                                    f.lines[50] + line(50, "web1", "uwsgi", "fifty"),
			"/search?n=3&" + at(51):                                        f.join(49) + line(50, "web1", "uwsgi", "fifty") + f.lines[50],
		} {
			resp, body := get(t, f.base+query)
			require.Equal(t, 200, resp.StatusCode, "%s: %s", query, body)
			if len(body) == len(want) && query[1:7] == "search" { // of the same second in either order
				require.ElementsMatch(t, strings.SplitAfter(want, "\n"), strings.SplitAfter(body, "\n"), query)
				continue
			}
			require.Equal(t, want, body, query)
		}
		// Both directions begin at the same place, which JSON names.
		for _, page := range []string{"/worker.log", "/search"} {
			var places []any
			for _, direction := range []string{"forward", "backward"} {
				_, body := get(t, f.base+page+"?format=json&limit=1&direction="+direction+"&"+at(45))
				var answer struct{ At any }
				require.NoError(t, json.Unmarshal([]byte(body), &answer), body)
				places = append(places, answer.At)
			}
			require.Equal(t, places[0], places[1])
			if page == "/worker.log" {
				require.EqualValues(t, f.at[45], places[0])
			}
		}
	}
	f := serveRotated(t, false)
	for query, says := range map[string]string{
		"/worker.log?at=x":                      "at=",
		"/worker.log?at=-1h&from=1000":          "give one",
		"/search?at=-1h&cursor=worker.log=1000": "give one",
		"/worker.log?at=-1h&follow=1":           "does not go with follow=1",
		"/search?at=-1h&count=1":                "do not go with count=1",
		"/histogram?at=-1h":                     "unknown parameter",
	} {
		resp, body := get(t, f.base+query)
		require.Equal(t, 400, resp.StatusCode, query)
		require.Contains(t, body, says, query)
	}
}
