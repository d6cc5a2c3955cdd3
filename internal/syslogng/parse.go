// Package syslogng reads configurations of syslog-ng as far as dalogfwd can do
// the same: files that are followed, the program and priority that they get, and
// the servers that they go to. What it does not know it names, with its line.
package syslogng

import (
	"fmt"
	"strings"
)

// node is a statement, a driver or an option: a name, words behind it, and what
// is in its parentheses and braces.
type node struct {
	name  string
	line  int
	words []string // plain values behind the name, or in the parentheses
	nodes []*node  // what is inside
}

// token is a word, a quoted text or one of ( ) { } ;.
type token struct {
	text string
	line int
	mark bool // one of ( ) { } ;
}

// lex cuts a configuration into tokens, without comments.
func lex(text string) (tokens []token, err error) {
	line := 1
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\n':
			line++
			i++
		case c == ' ' || c == '\t' || c == '\r' || c == ',':
			i++
		case c == '#':
			for i < len(text) && text[i] != '\n' {
				i++
			}
		case strings.IndexByte("(){};", c) >= 0:
			tokens = append(tokens, token{string(c), line, true})
			i++
		case c == '@': // a directive, which its line ends
			end := strings.IndexByte(text[i:]+"\n", '\n')
			tokens = append(tokens, token{strings.TrimSpace(text[i : i+end]), line, false}, token{";", line, true})
			i += end
		case c == '"' || c == '\'':
			var b strings.Builder
			begin := line
			for i++; ; i++ {
				if i == len(text) {
					return nil, fmt.Errorf("line %d: the quote is not closed", begin)
				}
				if text[i] == c {
					break
				}
				if text[i] == '\n' {
					line++
				}
				if c == '"' && text[i] == '\\' && i+1 < len(text) {
					i++
				}
				b.WriteByte(text[i])
			}
			i++
			tokens = append(tokens, token{b.String(), begin, false})
		default:
			begin := i
			for i < len(text) && strings.IndexByte(" \t\r\n,#(){};\"'", text[i]) < 0 {
				i++
			}
			tokens = append(tokens, token{text[begin:i], line, false})
		}
	}
	return tokens, nil
}

// maxDepth bounds how deep statements are nested; syslog-ng's own are three deep.
const maxDepth = 50

// parse makes a tree of tokens up to the end, or the mark that closes what is open.
func parse(tokens []token, open string, depth int) (nodes []*node, rest []token, err error) {
	if depth > maxDepth {
		return nil, nil, fmt.Errorf("line %d: nested too deep", tokens[0].line)
	}
	closing := map[string]string{"(": ")", "{": "}"}
	var current *node
	for len(tokens) > 0 {
		t := tokens[0]
		tokens = tokens[1:]
		switch {
		case t.mark && t.text == ";":
			current = nil
		case t.mark && closing[t.text] != "":
			inner, rest, err := parse(tokens, t.text, depth+1)
			if err != nil {
				return nil, nil, err
			}
			if current == nil {
				current = &node{line: t.line}
				nodes = append(nodes, current)
			}
			current.nodes = append(current.nodes, inner...)
			tokens = rest
			if t.text == "(" && open == "(" {
				current = nil // an option among options
			}
		case t.mark && t.text == closing[open]:
			return nodes, tokens, nil
		case t.mark:
			return nil, nil, fmt.Errorf("line %d: %q closes nothing", t.line, t.text)
		case open == "(" && (len(tokens) == 0 || !tokens[0].mark || tokens[0].text != "("):
			nodes = append(nodes, &node{name: t.text, line: t.line})
		case current == nil:
			current = &node{name: t.text, line: t.line}
			nodes = append(nodes, current)
		default:
			current.words = append(current.words, t.text)
		}
	}
	if open != "" {
		return nil, nil, fmt.Errorf("the last %q is not closed", open)
	}
	return nodes, nil, nil
}

// option is the first value of an option of n, and its line; empty if it has none.
func (n *node) option(names ...string) (value string) {
	for _, child := range n.nodes {
		for _, name := range names {
			if strings.ReplaceAll(child.name, "_", "-") == name && len(child.nodes) > 0 {
				return child.nodes[0].name
			}
		}
	}
	return ""
}
