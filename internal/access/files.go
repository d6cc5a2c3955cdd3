package access

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Files are the paths of what is read again when it changes; "" = there is
// none.
type Files struct {
	// Users has lines NAME:BCRYPT, as htpasswd -B writes them.
	Users string
	// Tokens has lines NAME:SHA256, the hash in hexadecimal digits; a name may
	// have several.
	Tokens string
	// Rights has lines NAME: PATTERN PATTERN ..., of file names. The name * is
	// everybody who logged in and has no line, [Anonymous] who did not log in.
	// Where this file is, a name that it does not cover may read nothing;
	// Anonymous without a line, everything.
	Rights string
}

// maxFile is the size past which none of the files can be what it should be.
const maxFile = 4 << 20

// maxCost is the cost of a bcrypt hash, past which a login takes seconds of
// processor time.
const maxCost = 14

// tables are what the files say; immutable.
type tables struct {
	users  map[string][]byte            // name → bcrypt hash
	tokens map[[sha256.Size]byte]string // hash → name
	rights map[string][]string          // name → patterns; nil = no such file
	cost   int                          // the highest of users
}

// load reads the files. Errors name file, line and remedy.
func (f Files) load() (*tables, error) {
	t := new(tables)
	if f.Rights != "" {
		t.rights = make(map[string][]string)
	}
	if err := eachLine(f.Users, "users", t.addUser); err != nil {
		return nil, err
	}
	if err := eachLine(f.Tokens, "tokens", t.addToken); err != nil {
		return nil, err
	}
	if err := eachLine(f.Rights, "rights", t.addRight); err != nil {
		return nil, err
	}
	return t, nil
}

// eachLine gives the lines of a file that are neither empty nor comments, cut
// at the first colon.
func eachLine(name, what string, add func(key, value string) error) error {
	if name == "" {
		return nil
	}
	text, err := readFile(name)
	if err != nil {
		return fmt.Errorf("file of %s: %w", what, err)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxFile)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, found := strings.Cut(line, ":")
		if key = strings.TrimSpace(key); !found || key == "" {
			err = errors.New("there is no NAME: at its beginning")
		} else {
			err = add(key, strings.TrimSpace(value))
		}
		if err != nil {
			return fmt.Errorf("file of %s %s, line %d: %w", what, name, n, err)
		}
	}
	return lines.Err()
}

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is no regular file of at most %d bytes", name, maxFile)
	}
	return os.ReadFile(name)
}

func (t *tables) addUser(name, hash string) error {
	hash, _, _ = strings.Cut(hash, ":") // what may follow is a comment
	cost, err := bcrypt.Cost([]byte(hash))
	switch {
	case name == Anonymous || name == "*":
		return fmt.Errorf("%q cannot be the name of a user", name)
	case t.users[name] != nil:
		return fmt.Errorf("user %q is there twice", name)
	case err != nil || len(hash) != 60:
		return fmt.Errorf("user %q has no bcrypt hash; make a line with: dalogd password %s", name, name)
	case cost > maxCost:
		return fmt.Errorf("user %q has a hash of cost %d, of which every login takes long; at most %d is taken", name, cost, maxCost)
	}
	if t.users == nil {
		t.users = make(map[string][]byte)
	}
	t.users[name] = []byte(hash)
	t.cost = max(t.cost, cost)
	return nil
}

func (t *tables) addToken(name, digits string) error {
	digits, _, _ = strings.Cut(digits, ":")
	hash, err := hex.DecodeString(digits)
	switch {
	case name == Anonymous || name == "*":
		return fmt.Errorf("%q cannot be the name of a token", name)
	case err != nil || len(hash) != sha256.Size:
		return fmt.Errorf("token %q has no SHA-256 hash of 64 hexadecimal digits; make a token and its line with: dalogd token %s", name, name)
	}
	key := [sha256.Size]byte(hash)
	if owner, ok := t.tokens[key]; ok {
		return fmt.Errorf("the token is that of %q already", owner)
	}
	if t.tokens == nil {
		t.tokens = make(map[[sha256.Size]byte]string)
	}
	t.tokens[key] = name
	return nil
}

func (t *tables) addRight(name, patterns string) error {
	if _, ok := t.rights[name]; ok {
		return fmt.Errorf("%q is there twice; write all patterns in one line", name)
	}
	list := strings.FieldsFunc(patterns, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })
	for _, p := range list {
		if _, err := path.Match(p, ""); err != nil || strings.Contains(p, "/") {
			return fmt.Errorf("%q is no pattern of file names, such as worker.log or nginx*", p)
		}
	}
	t.rights[name] = list
	return nil
}

// reader is the reader of this name, which was proved; "" was not.
func (t *tables) reader(name string) *Reader {
	r := &Reader{Name: name, all: t.rights == nil}
	if r.all {
		return r
	}
	var listed bool
	switch {
	case name == "":
		r.patterns, listed = t.rights[Anonymous]
		r.all = !listed
	default:
		if r.patterns, listed = t.rights[name]; !listed {
			r.patterns = t.rights["*"]
		}
	}
	for _, p := range r.patterns {
		r.all = r.all || p == "*"
	}
	return r
}
