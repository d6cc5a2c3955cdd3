package logstore

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// MaxPattern is the length of the longest pattern, in bytes.
const MaxPattern = 1 << 10

// A Pattern is searched in lines: a regular expression (RE2) or a text. It may
// be used from several goroutines.
type Pattern struct {
	re      *regexp.Regexp // nil where the pattern is nothing but literal
	literal []byte         // what every match contains; empty = not known
	rare    int            // which of its bytes is the rarest

	prog *syntax.Prog // of re, for dfas; nil where they cannot tell
	slow atomic.Bool  // it has too many states for them
	dfas sync.Pool    // of *dfa
}

// NewPattern compiles a pattern; literal takes it as a text, ignoreCase takes
// large and small letters for the same.
func NewPattern(text string, literal, ignoreCase bool) (*Pattern, error) {
	if text == "" {
		return nil, fmt.Errorf("the pattern is empty")
	}
	if len(text) > MaxPattern {
		return nil, fmt.Errorf("the pattern has %d bytes, at most %d are taken", len(text), MaxPattern)
	}
	if literal {
		if !ignoreCase {
			p := &Pattern{literal: []byte(text)}
			p.pickRare()
			return p, nil
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
		p.literal = []byte(requiredLiteral(tree))
		if bytes.ContainsRune(p.literal, utf8.RuneError) { // which stands for bytes that are no UTF-8
			p.literal = nil
		} else if tree.Op == syntax.OpLiteral && tree.Flags&syntax.FoldCase == 0 {
			p.re = nil
		}
	}
	p.pickRare()
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

// rarity ranks bytes by how seldom they are in logs: a byte that is not named
// is rarer than all that are, and of those the first one is the most frequent.
const rarity = " e0tianors21:l-d3c5.h4/p8um679g\"fb,=wyTv_kINA[]xRE()DSOLPCq;jMGUz'&BFHVW?%Kw"

// pickRare chooses the byte of the literal that is searched first.
func (p *Pattern) pickRare() {
	best := -1
	for i, c := range p.literal {
		rank := strings.IndexByte(rarity, c)
		if rank < 0 {
			rank = len(rarity)
		}
		if rank > best {
			best, p.rare = rank, i
		}
	}
}

// index is the first place of the literal in text, -1 where it is not. It looks
// for the rarest byte, at the speed of memory, and then for the rest, as long as
// the byte is rare indeed.
func (p *Pattern) index(text []byte) int {
	n := len(p.literal)
	c := p.literal[p.rare]
	for at, misses := 0, 0; at+n <= len(text); {
		i := bytes.IndexByte(text[at+p.rare:len(text)-n+p.rare+1], c)
		if i < 0 {
			return -1
		}
		at += i
		if string(text[at:at+n]) == string(p.literal) {
			return at
		}
		at++
		if misses++; misses > 16 && misses > at/64 {
			if i := bytes.Index(text[at:], p.literal); i >= 0 {
				return at + i
			}
			return -1
		}
	}
	return -1
}

// Match tells whether line has the pattern.
func (p *Pattern) Match(line []byte) bool {
	return (len(p.literal) == 0 || p.index(line) >= 0) && p.matchRest(line)
}

// matchRest is Match for a line that surely has the literal.
func (p *Pattern) matchRest(line []byte) bool {
	if p.re == nil {
		return true
	}
	if p.prog == nil || len(line) == 0 || p.slow.Load() {
		return p.re.Match(line)
	}
	d, _ := p.dfas.Get().(*dfa)
	if d == nil {
		d = newDFA(p.prog)
	}
	match, ok := d.match(line)
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
	for at := 0; len(all) < n; {
		i := bytes.Index(line[at:], p.literal)
		if i < 0 {
			break
		}
		all = append(all, []int{at + i, at + i + len(p.literal)})
		at += i + len(p.literal)
	}
	return all
}

// requiredLiteral is the longest text that whatever re matches contains, as
// far as that is easily told.
func requiredLiteral(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return string(re.Rune)
		}
	case syntax.OpCapture, syntax.OpPlus:
		return requiredLiteral(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return requiredLiteral(re.Sub[0])
		}
	case syntax.OpConcat:
		best, run := "", ""
		for _, sub := range re.Sub {
			if sub.Op == syntax.OpLiteral && sub.Flags&syntax.FoldCase == 0 {
				run += string(sub.Rune)
			} else {
				run = ""
			}
			for _, s := range []string{run, requiredLiteral(sub)} {
				if len(s) > len(best) {
					best = s
				}
			}
		}
		return best
	}
	return ""
}
