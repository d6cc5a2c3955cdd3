package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// completions are the words of a program: for each command the flags and
// further words that may follow.
type completions struct {
	name  string
	nodes []completionNode // the first one is the program itself
}

type completionNode struct {
	path  string // words of the command, joined by spaces
	words []completionWord
}

type completionWord struct {
	text, help string
	value      string   // placeholder of a flag's value; empty: takes none
	choices    []string // of the value
}

// writeCompletion writes a script for bash, zsh or fish.
func writeCompletion(w io.Writer, model *kong.Application, shell string) error {
	c := completions{name: model.Name}
	c.add(model.Node, "")
	var out bytes.Buffer
	switch shell {
	case "bash":
		c.bash(&out)
	case "zsh":
		// zsh reads bash's completions, with the same words.
		fmt.Fprintf(&out, "#compdef %s\nautoload -U +X bashcompinit && bashcompinit\n", c.name)
		c.bash(&out)
	default:
		c.fish(&out)
	}
	_, err := w.Write(out.Bytes())
	return err
}

func (c *completions) add(n *kong.Node, path string) {
	node := completionNode{path: path}
	for _, child := range n.Children {
		if !child.Hidden && child != n.DefaultCmd {
			node.words = append(node.words, completionWord{text: child.Name, help: firstSentence(child.Help)})
		}
	}
	for _, p := range n.Positional {
		for _, choice := range p.EnumSlice() {
			if choice != "" {
				node.words = append(node.words, completionWord{text: choice})
			}
		}
	}
	for _, f := range n.Flags {
		if f.Hidden {
			continue
		}
		w := completionWord{text: "--" + f.Name, help: firstSentence(f.Help)}
		if !f.IsBool() {
			w.value = f.FormatPlaceHolder()
		}
		if f.Enum != "" {
			w.choices = f.EnumSlice()
		}
		node.words = append(node.words, w)
	}
	c.nodes = append(c.nodes, node)
	for _, child := range n.Children {
		if !child.Hidden {
			c.add(child, strings.TrimSpace(path+" "+child.Name))
		}
	}
}

func firstSentence(help string) string {
	s, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(s, ".")
}

// bash writes a function that finds the command among the words before the
// cursor and offers what may follow it. File names are completed for the rest.
func (c *completions) bash(out *bytes.Buffer) {
	fmt.Fprintf(out, "_%[1]s() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path='' word words\n", c.name)
	out.WriteString("\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n\t\tcase \"$path $word\" in\n")
	for _, n := range c.nodes[1:] {
		i := strings.LastIndexByte(n.path, ' ')
		fmt.Fprintf(out, "\t\t'%s') path='%s' ;;\n", n.path[:max(i, 0)]+" "+n.path[i+1:], n.path)
	}
	out.WriteString("\t\tesac\n\tdone\n\tcase \"$prev\" in\n")
	seen := map[string]bool{}
	for _, n := range c.nodes {
		for _, w := range n.words {
			switch {
			case seen[w.text] || w.value == "":
			case w.choices != nil:
				fmt.Fprintf(out, "\t%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", w.text, strings.Join(w.choices, " "))
			default:
				fmt.Fprintf(out, "\t%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", w.text)
			}
			seen[w.text] = true
		}
	}
	out.WriteString("\tesac\n\tcase \"$path\" in\n")
	for _, n := range c.nodes {
		var words []string
		for _, w := range n.words {
			words = append(words, w.text)
		}
		if n.path != "" {
			for _, w := range c.nodes[0].words {
				if strings.HasPrefix(w.text, "--") {
					words = append(words, w.text)
				}
			}
		}
		fmt.Fprintf(out, "\t'%s') words='%s' ;;\n", n.path, strings.Join(words, " "))
	}
	fmt.Fprintf(out, "\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _%[1]s %[1]s\n", c.name)
}

func (c *completions) fish(out *bytes.Buffer) {
	for _, n := range c.nodes {
		condition := "__fish_use_subcommand"
		if n.path != "" {
			words := strings.Fields(n.path)
			condition = "__fish_seen_subcommand_from " + words[len(words)-1]
		}
		for _, w := range n.words {
			fmt.Fprintf(out, "complete -c %s", c.name)
			if flag, ok := strings.CutPrefix(w.text, "--"); ok {
				if n.path != "" {
					fmt.Fprintf(out, " -n '%s'", condition)
				}
				fmt.Fprintf(out, " -l %s", flag)
				if w.value != "" {
					out.WriteString(" -r")
				}
				if w.choices != nil {
					fmt.Fprintf(out, " -f -a '%s'", strings.Join(w.choices, " "))
				}
			} else {
				fmt.Fprintf(out, " -n '%s' -f -a %s", condition, w.text)
			}
			fmt.Fprintf(out, " -d '%s'\n", strings.ReplaceAll(w.help, "'", `\'`))
		}
	}
}
