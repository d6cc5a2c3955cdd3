package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// writeMan writes the manual page, in section 8, from what --help says.
func writeMan(w io.Writer, model *kong.Application, p *Program) error {
	var out bytes.Buffer
	paragraphs := strings.Split(strings.TrimSpace(p.Description), "\n\n")
	fmt.Fprintf(&out, ".TH %s 8 \"\" \"dalog %s\" \"dalog\"\n", strings.ToUpper(p.Name), roff(p.Version))
	fmt.Fprintf(&out, ".SH NAME\n%s \\- %s\n", p.Name, roff(strings.TrimSuffix(paragraphs[0], ".")))
	fmt.Fprintf(&out, ".SH SYNOPSIS\n.B %s\n[\\fIcommand\\fR] [\\fIflags\\fR]\n.SH DESCRIPTION\n", p.Name)
	for _, text := range paragraphs[1:] {
		if head, list, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(text, "Exit codes") {
			fmt.Fprintf(&out, ".SH %s\n", strings.ToUpper(head))
			for item := range strings.SplitSeq(strings.TrimSuffix(list, "."), "; ") {
				code, what, _ := strings.Cut(item, " ")
				fmt.Fprintf(&out, ".TP\n.B %s\n%s\n", code, roff(what))
			}
			out.WriteString(".SH NOTES\n")
			continue
		}
		if strings.HasPrefix(text, "  ") {
			fmt.Fprintf(&out, ".PP\n.nf\n%s\n.fi\n", roff(text))
			continue
		}
		fmt.Fprintf(&out, ".PP\n%s\n", roff(text))
	}
	out.WriteString(".SH COMMANDS\n")
	_ = kong.Visit(model, func(n kong.Visitable, next kong.Next) error {
		if node, ok := n.(*kong.Node); ok && node.Type == kong.CommandNode && len(node.Children) == 0 && !node.Hidden {
			fmt.Fprintf(&out, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(strings.TrimPrefix(node.Summary(), p.Name))), roff(node.Help))
			for _, f := range node.Flags {
				fmt.Fprintf(&out, ".RS\n.TP\n.B %s\n%s\n.RE\n", roff(f.String()), roff(p.helpOf(f.Value)))
			}
		}
		return next(nil)
	})
	group := ""
	out.WriteString(".SH FLAGS\n")
	for _, f := range model.Flags {
		if f.Hidden {
			continue
		}
		if f.Group != nil && f.Group.Title != group {
			group = f.Group.Title
			fmt.Fprintf(&out, ".SS %s\n", roff(group))
		}
		fmt.Fprintf(&out, ".TP\n.B %s\n%s\n", roff(f.String()), roff(p.helpOf(f.Value)))
	}
	fmt.Fprintf(&out, ".SH FILES\n.TP\n.I %s\nSettings, as YAML. %s config print shows all of them.\n", roff(p.ConfigFile), p.Name)
	_, err := w.Write(out.Bytes())
	return err
}

// roff makes text that troff prints as it is.
func roff(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	s = strings.ReplaceAll(s, "-", `\-`)
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
