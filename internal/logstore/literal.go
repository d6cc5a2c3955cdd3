package logstore

import (
	"encoding/binary"
	"math/bits"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dalog-project/dalog/internal/bytepair"
)

// A literal is a text that is searched in many others: by its two rarest bytes,
// and then as a whole.
type literal struct {
	text string
	fold []byte // bits that are set in a text before it is compared; nil = none
	pair bytepair.Pair
	at   int // place of pair.A in text
}

// newLiteral makes one of text, which is not empty. fold takes large and small
// letters for the same; text is then ASCII in small letters.
func newLiteral(text string, fold bool) *literal {
	l := &literal{text: text}
	if fold {
		l.fold = make([]byte, len(text))
		for i := range l.fold {
			if isLetter(text[i]) {
				l.fold[i] = 0x20
			}
		}
	}
	first, second := 0, 0 // the rarest byte, and the rarest one that is another
	for i := range len(text) {
		if rarity(text[i]) > rarity(text[first]) {
			first = i
		}
	}
	for i := range len(text) {
		if text[i] != text[first] && (second == first || text[second] == text[first] || rarity(text[i]) > rarity(text[second])) {
			second = i
		}
	}
	if text[second] == text[first] {
		second = len(text) - 1 - first // all bytes are alike
	}
	if second < first {
		first, second = second, first
	}
	l.at, l.pair = first, bytepair.Pair{A: text[first], B: text[second], Gap: second - first}
	if fold {
		l.pair.FoldA, l.pair.FoldB = l.fold[first], l.fold[second]
	}
	return l
}

// frequent are bytes that are frequent in logs, the most frequent one first.
const frequent = " e0tianors21:l-d3c5.h4/p8um679g\"fb,=wyTv_kINA[]xRE()DSOLPCq;jMGUz'&BFHVW?%Kw"

// rarity tells how rare a byte is in logs.
func rarity(c byte) int {
	if i := strings.IndexByte(frequent, c); i >= 0 {
		return i
	}
	return len(frequent)
}

// index is the first place of the literal in text, -1 where it is not.
func (l *literal) index(text []byte) int {
	n := len(l.text)
	behind := n - 1 - l.at - l.pair.Gap // bytes behind the pair
	for at := 0; at+n <= len(text); at++ {
		i := l.pair.Index(text[at+l.at : len(text)-behind])
		if i < 0 {
			return -1
		}
		at += i
		if l.is(text[at : at+n]) {
			return at
		}
	}
	return -1
}

// is tells whether b, which is as long, is the literal.
func (l *literal) is(b []byte) bool {
	if l.fold == nil {
		return string(b) == l.text
	}
	for i, c := range b {
		if c|l.fold[i] != l.text[i] {
			return false
		}
	}
	return true
}

// count is in how many places the literal is in text, as far as they do not
// overlap.
func (l *literal) count(text []byte) (n int) {
	for {
		i := l.index(text)
		if i < 0 {
			return n
		}
		n++
		text = text[i+len(l.text):]
	}
}

// requiredLiterals are texts that whatever re matches contains, as far as that
// is easily told, the longest one first. prefix is one with which every match
// begins.
func requiredLiterals(re *syntax.Regexp) (all []*literal, prefix *literal) {
	c := collector{seen: make(map[string]bool)}
	c.collect(re)
	prefix = c.prefix(re)
	slices.SortStableFunc(c.all, func(a, b *literal) int { return len(b.text) - len(a.text) })
	return c.all, prefix
}

// maxLiterals bounds what is collected of one expression.
const maxLiterals = 16

type collector struct {
	all  []*literal
	seen map[string]bool
}

func (c *collector) collect(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		c.run(re.Rune, re.Flags&syntax.FoldCase != 0)
	case syntax.OpCapture, syntax.OpPlus:
		c.collect(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			c.collect(re.Sub[0])
		}
	case syntax.OpConcat:
		for i := 0; i < len(re.Sub); i++ {
			if re.Sub[i].Op != syntax.OpLiteral {
				c.collect(re.Sub[i])
				continue
			}
			run, fold := joined(re.Sub[i:])
			c.run(run, fold)
			for i+1 < len(re.Sub) && re.Sub[i+1].Op == syntax.OpLiteral && re.Sub[i+1].Flags&syntax.FoldCase != 0 == fold {
				i++
			}
		}
	}
}

// joined are the runes of the literals at the beginning of subs that are alike
// in whether they fold.
func joined(subs []*syntax.Regexp) (run []rune, fold bool) {
	fold = subs[0].Flags&syntax.FoldCase != 0
	for _, s := range subs {
		if s.Op != syntax.OpLiteral || s.Flags&syntax.FoldCase != 0 != fold {
			break
		}
		run = append(run, s.Rune...)
	}
	return run, fold
}

// run adds the literals of one run of runes.
func (c *collector) run(run []rune, fold bool) {
	for _, text := range pieces(run, fold) {
		key := text
		if fold {
			key += "\xff"
		}
		if text != "" && len(c.all) < maxLiterals && !c.seen[key] {
			c.seen[key] = true
			c.all = append(c.all, newLiteral(text, fold))
		}
	}
}

// pieces cuts a run into texts that stand in every match as they are, up to the
// case of ASCII letters. U+FFFD stands for bytes that are no UTF-8; k and s have
// other forms outside ASCII.
func pieces(run []rune, fold bool) (all []string) {
	var b strings.Builder
	for _, r := range run {
		if fold && r >= 'A' && r <= 'Z' {
			r |= 0x20
		}
		if r == utf8.RuneError || fold && (r >= utf8.RuneSelf || r == 'k' || r == 's') {
			all = append(all, b.String())
			b.Reset()
			continue
		}
		b.WriteRune(r)
	}
	return append(all, b.String())
}

// prefix is what every match of re begins with; nil where that is not told.
func (c *collector) prefix(re *syntax.Regexp) *literal {
	switch re.Op {
	case syntax.OpLiteral:
		return firstPiece(re.Rune, re.Flags&syntax.FoldCase != 0)
	case syntax.OpCapture, syntax.OpPlus:
		return c.prefix(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return c.prefix(re.Sub[0])
		}
	case syntax.OpConcat:
		if re.Sub[0].Op == syntax.OpLiteral {
			return firstPiece(joined(re.Sub))
		}
		return c.prefix(re.Sub[0])
	}
	return nil
}

func firstPiece(run []rune, fold bool) *literal {
	if text := pieces(run, fold)[0]; text != "" {
		return newLiteral(text, fold)
	}
	return nil
}

// anyLiterals are texts of which whatever re matches contains at least one; nil
// where that is not easily told.
func anyLiterals(re *syntax.Regexp) []*literal {
	switch re.Op {
	case syntax.OpAlternate:
		var all []*literal
		for _, sub := range re.Sub {
			if one, _ := requiredLiterals(sub); len(one) > 0 {
				all = append(all, one[0])
			} else if some := anyLiterals(sub); some != nil {
				all = append(all, some...)
			} else {
				return nil
			}
		}
		if len(all) <= maxLiterals {
			return all
		}
	case syntax.OpCapture, syntax.OpPlus:
		return anyLiterals(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return anyLiterals(re.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if all := anyLiterals(sub); all != nil {
				return all
			}
		}
	}
	return nil
}

// lastNewline is the last place of a line end in b, -1 where there is none.
func lastNewline(b []byte) int {
	const ones = 0x0101010101010101
	for len(b) >= 8 {
		v := binary.LittleEndian.Uint64(b[len(b)-8:]) ^ '\n'*ones
		// The high bit of each byte that is zero.
		if zero := ^((v&(0x7f*ones) + 0x7f*ones) | v | 0x7f*ones); zero != 0 {
			return len(b) - 1 - bits.LeadingZeros64(zero)/8
		}
		b = b[:len(b)-8]
	}
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == '\n' {
			return i
		}
	}
	return -1
}
