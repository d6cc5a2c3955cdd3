package logstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A cache that is asked in any order answers as the router does: for names that
// fall on one place, for long ones, and after rules came.
func TestRouteCache(t *testing.T) {
	t.Parallel()
	r := newRouter(nil, 900, 900)
	var programs []string
	for i := range 1000 { // more than have files, or places
		programs = append(programs, fmt.Sprintf("program%d", i), fmt.Sprintf("p%d", i))
	}
	programs = append(programs, "", "nginx", "nginy", strings.Repeat("n", 23), strings.Repeat("n", 24), "nginx\x00")
	var c routeCache
	same := func() {
		for range 2 {
			c.begin(r)
			for _, program := range programs {
				m := message(program, "")
				require.True(t, *r.route(&m) == *c.route(r, &m), program)
			}
		}
	}
	same()
	r.setRoutes([]Route{{Program: "program*", File: "all.log", Least: 7}})
	same()
	m := message("program1", "")
	require.Equal(t, "all.log", c.route(r, &m).file(6).name)
	r.setRoutes(nil)
	c.begin(r)
	require.Equal(t, "program1.log", c.route(r, &m).file(6).name)
}
