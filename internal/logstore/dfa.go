package logstore

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// A dfa tells whether lines match a regular expression. It works its states
// out as they come up and keeps them, so that a byte mostly costs one look at a
// table, where package regexp looks at each of its threads. Not for concurrent
// use.
type dfa struct {
	prog    *syntax.Prog
	begin   *dfaState // before the first byte of a line
	within  *dfaState // before any other one
	matched *dfaState // there is a match, whatever follows
	states  map[string]*dfaState
	resets  int

	// Of the closure at hand.
	seen  []bool
	stack []uint32
	key   []byte
}

// dfaState is a set of instructions of the program that wait for a byte or for
// the end of the line.
type dfaState struct {
	next  [utf8.RuneSelf]*dfaState // nil = not worked out
	runes map[rune]*dfaState
	insts []uint32
	end   int8 // whether the end of the line makes it a match: 1 yes, -1 no, 0 not worked out
}

const (
	maxStates = 400 // of about 1 KiB each
	maxResets = 20  // after which the expression has too many states to be worth it
	maxRunes  = 64  // of one state that are kept
)

// newDFA makes one; nil where the expression has what it cannot tell (word
// boundaries).
func newDFA(prog *syntax.Prog) *dfa {
	for _, i := range prog.Inst {
		const known = syntax.EmptyBeginLine | syntax.EmptyBeginText | syntax.EmptyEndLine | syntax.EmptyEndText
		if i.Op == syntax.InstEmptyWidth && syntax.EmptyOp(i.Arg)&^known != 0 {
			return nil
		}
	}
	d := &dfa{prog: prog, matched: new(dfaState), seen: make([]bool, len(prog.Inst))}
	d.reset()
	return d
}

func (d *dfa) reset() {
	d.states = make(map[string]*dfaState)
	d.begin = d.state(d.closure(nil, uint32(d.prog.Start), syntax.EmptyBeginLine|syntax.EmptyBeginText))
	d.within = d.state(d.closure(nil, uint32(d.prog.Start), 0))
}

// match tells whether line, which is not empty and has no line end, has a match
// that begins at start or behind it. ok is false where that takes too many states.
func (d *dfa) match(line []byte, start int) (match, ok bool) {
	s := d.begin
	if start > 0 {
		s = d.within
	}
	for i := start; i < len(line); {
		var n *dfaState
		if c := line[i]; c < utf8.RuneSelf {
			i++
			if n = s.next[c]; n == nil {
				if n = d.step(s, rune(c)); n == nil {
					return false, false
				}
				s.next[c] = n
			}
		} else {
			r, size := utf8.DecodeRune(line[i:])
			i += size
			if n = s.runes[r]; n == nil {
				if n = d.step(s, r); n == nil {
					return false, false
				}
				if s.runes == nil || len(s.runes) >= maxRunes {
					s.runes = make(map[rune]*dfaState)
				}
				s.runes[r] = n
			}
		}
		if s = n; s == d.matched {
			return true, true
		}
		if len(s.insts) == 0 {
			return false, true
		}
	}
	if s == d.matched {
		return true, true
	}
	if s.end == 0 {
		s.end = -1
		if d.ends(s) {
			s.end = 1
		}
	}
	return s.end > 0, true
}

// step is the state after r; nil where there are too many.
func (d *dfa) step(s *dfaState, r rune) *dfaState {
	if s == d.matched {
		return s
	}
	if len(d.states) >= maxStates {
		if d.resets++; d.resets > maxResets {
			return nil
		}
		d.reset()
	}
	var set []uint32
	clear(d.seen)
	for _, pc := range s.insts {
		i := &d.prog.Inst[pc]
		switch i.Op {
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if i.MatchRune(r) {
				set = d.follow(set, i.Out, 0)
			}
		}
	}
	return d.state(d.follow(set, uint32(d.prog.Start), 0))
}

// ends tells whether the end of the line makes s a match.
func (d *dfa) ends(s *dfaState) bool {
	clear(d.seen)
	var set []uint32
	for _, pc := range s.insts {
		if d.prog.Inst[pc].Op == syntax.InstEmptyWidth {
			d.seen[pc] = false
			set = d.follow(set, pc, syntax.EmptyEndLine|syntax.EmptyEndText)
		}
	}
	return d.isMatch(set)
}

func (d *dfa) isMatch(set []uint32) bool {
	return slices.ContainsFunc(set, func(pc uint32) bool { return d.prog.Inst[pc].Op == syntax.InstMatch })
}

func (d *dfa) closure(set []uint32, pc uint32, flags syntax.EmptyOp) []uint32 {
	clear(d.seen)
	return d.follow(set, pc, flags)
}

// follow adds to set what can be reached from pc without a byte, where flags
// hold. What waits for the end of the line stays in the set.
func (d *dfa) follow(set []uint32, pc uint32, flags syntax.EmptyOp) []uint32 {
	d.stack = append(d.stack[:0], pc)
	for len(d.stack) > 0 {
		pc := d.stack[len(d.stack)-1]
		d.stack = d.stack[:len(d.stack)-1]
		if d.seen[pc] {
			continue
		}
		d.seen[pc] = true
		switch i := &d.prog.Inst[pc]; i.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			d.stack = append(d.stack, i.Arg, i.Out)
		case syntax.InstCapture, syntax.InstNop:
			d.stack = append(d.stack, i.Out)
		case syntax.InstEmptyWidth:
			switch missing := syntax.EmptyOp(i.Arg) &^ flags; {
			case missing == 0:
				d.stack = append(d.stack, i.Out)
			case missing&(syntax.EmptyBeginLine|syntax.EmptyBeginText) == 0:
				set = append(set, pc)
			}
		case syntax.InstFail:
		default:
			set = append(set, pc)
		}
	}
	return set
}

// state is the one for a set.
func (d *dfa) state(set []uint32) *dfaState {
	if d.isMatch(set) {
		return d.matched
	}
	slices.Sort(set)
	d.key = d.key[:0]
	for _, pc := range set {
		d.key = binary.LittleEndian.AppendUint32(d.key, pc)
	}
	s := d.states[string(d.key)]
	if s == nil {
		s = &dfaState{insts: set}
		d.states[string(d.key)] = s
	}
	return s
}
