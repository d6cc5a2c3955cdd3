package logstore

import (
	"fmt"
	"path"
	"strings"
)

// SetRules takes over what cfg says of rotation, of the parts that are kept and
// of routes: RotateSize, RotateEvery, Keep, KeepRules, KeepFree and Routes. It
// holds for what is submitted, written and looked at from now on; what lies in a
// file stays there. The other fields are not looked at.
func (s *Store) SetRules(cfg Config) {
	s.rules.Store(&cfg)
	s.router.setRoutes(cfg.Routes)
	s.keeper.kick()
}

// Route sends the lines of programs to a file.
type Route struct {
	// Program is a pattern of path.Match for the program's name, in which * and ?
	// stand for slashes too.
	Program string
	// Worst and Least are the severities that it is for, 0 (emergency) to 7 (debug).
	Worst, Least uint8
	File         string
}

// matches tells whether the route is for a program. In path.Match, * does not
// stand for a slash, which is nothing special in the name of a program.
func (r *Route) matches(program string) bool {
	ok, err := path.Match(noSlash(r.Program), noSlash(program))
	return ok && err == nil
}

func noSlash(s string) string { return strings.ReplaceAll(s, "/", "\x00") }

// CheckRoute tells what is wrong with a route.
func CheckRoute(r Route) error {
	if _, err := path.Match(noSlash(r.Program), ""); err != nil || r.Program == "" {
		return fmt.Errorf("%q is not the name of a program or a pattern such as postfix/*", r.Program)
	}
	stem, isLog := strings.CutSuffix(r.File, ".log")
	if !isLog || string(appendFileName(nil, []byte(stem))) != r.File {
		return fmt.Errorf("%q is not a name for a log file: it consists of letters, digits, dot, - and _, begins with a letter or digit, and ends in .log", r.File)
	}
	return nil
}
