package logstore

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"sync/atomic"
)

// MaxPattern is the length of the longest pattern, in bytes.
const MaxPattern = 1 << 10

// A Pattern is searched in lines: a regular expression (RE2) or a text. It may
// be used from several goroutines.
type Pattern struct {
	re       *regexp.Regexp // nil where the pattern is nothing but literals[0]
	literals []*literal     // what every match contains, the longest one first
	any      []*literal     // where there are none: of which every match contains one; nil = not known
	prefix   *literal       // what every match begins with; nil = not known

	prog *syntax.Prog // of re, for dfas; nil where they cannot tell
	slow atomic.Bool  // it has too many states for them
	dfas sync.Pool    // of *dfa
}

// NewPattern compiles a pattern; asText takes it as it stands, ignoreCase takes
// large and small letters for the same.
func NewPattern(text string, asText, ignoreCase bool) (*Pattern, error) {
	if text == "" {
		return nil, fmt.Errorf("the pattern is empty")
	}
	if len(text) > MaxPattern {
		return nil, fmt.Errorf("the pattern has %d bytes, at most %d are taken", len(text), MaxPattern)
	}
	if asText {
		if !ignoreCase {
			return &Pattern{literals: []*literal{newLiteral(text, false)}}, nil
		}
		text = regexp.QuoteMeta(text)
	}
	flags := syntax.Perl
	if ignoreCase {
		flags |= syntax.FoldCase
		text = "(?i)" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, explainPattern(err)
	}
	p := &Pattern{re: re}
	if tree, err := syntax.Parse(text, flags); err == nil {
		tree = tree.Simplify()
		if p.literals, p.prefix = requiredLiterals(tree); len(p.literals) == 0 {
			p.any = anyLiterals(tree)
		}
		if tree.Op == syntax.OpLiteral && tree.Flags&syntax.FoldCase == 0 && len(p.literals) == 1 && p.literals[0].text == string(tree.Rune) {
			p.re = nil
		}
	}
	p.prepare(text)
	return p, nil
}

// prepare makes what a dfa needs.
func (p *Pattern) prepare(text string) {
	if p.re == nil {
		return
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil || newDFA(prog) == nil {
		return
	}
	p.prog = prog
}

// explainPattern says what is wrong with an expression, and what helps where a
// text was meant.
func explainPattern(err error) error {
	return fmt.Errorf("%s; to search for these characters as they are, add match=literal",
		strings.TrimPrefix(err.Error(), "error parsing regexp: "))
}

// Match tells whether line has the pattern.
func (p *Pattern) Match(line []byte) bool {
	return (len(p.literals) == 0 || p.literals[0].index(line) >= 0) && p.matchRest(line)
}

// matchRest is Match for a line that surely has one of the literals.
func (p *Pattern) matchRest(line []byte) bool {
	if p.re == nil {
		return true
	}
	if p.prog == nil || len(line) == 0 || p.slow.Load() {
		return p.re.Match(line)
	}
	start := 0
	if p.prefix != nil {
		if start = p.prefix.index(line); start < 0 {
			return false
		}
	}
	d, _ := p.dfas.Get().(*dfa)
	if d == nil {
		d = newDFA(p.prog)
	}
	match, ok := d.match(line, start)
	if !ok {
		p.slow.Store(true)
		return p.re.Match(line)
	}
	p.dfas.Put(d)
	return match
}

// Find gives the places of the pattern in line that do not overlap, at most n.
func (p *Pattern) Find(line []byte, n int) [][]int {
	if p.re != nil {
		return p.re.FindAllIndex(line, n)
	}
	var all [][]int
	size := len(p.literals[0].text)
	for at := 0; len(all) < n; {
		i := p.literals[0].index(line[at:])
		if i < 0 {
			break
		}
		all = append(all, []int{at + i, at + i + size})
		at += i + size
	}
	return all
}
