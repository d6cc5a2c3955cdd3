package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// writeReference writes all settings and commands as Markdown.
func writeReference(w io.Writer, model *kong.Application, p *Program) error {
	var out bytes.Buffer
	group := ""
	for _, f := range model.Flags {
		if !isSetting(f) {
			continue
		}
		if f.Group != nil && f.Group.Title != group {
			group = f.Group.Title
			fmt.Fprintf(&out, "\n### %s\n\n| flag | in the file | |\n|---|---|---|\n", group)
		}
		key := "`" + fileKey(f.Name) + "`"
		if f.Name == configFlag {
			key = ""
		}
		help := f.Help
		if f.HasDefault && f.Default != "" {
			help += " Default: " + f.Default + "."
		}
		flag := "--" + f.Name
		if !f.IsBool() {
			flag += " " + f.FormatPlaceHolder()
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", cell(flag), key, cell(help))
	}
	out.WriteString("\n### Commands\n\n| command | |\n|---|---|\n")
	_ = kong.Visit(model, func(n kong.Visitable, next kong.Next) error {
		if node, ok := n.(*kong.Node); ok && node.Type == kong.CommandNode && len(node.Children) == 0 && !node.Hidden {
			words := strings.TrimSuffix(strings.TrimSpace(node.Summary()), " [flags]")
			var flags []string
			for _, f := range node.Flags {
				flags = append(flags, "`"+cell(f.String())+"`: "+cell(f.Help))
			}
			fmt.Fprintf(&out, "| `%s` | %s |\n", cell(words), strings.Join(append([]string{cell(node.Help)}, flags...), "<br>"))
		}
		return next(nil)
	})
	_, err := w.Write(out.Bytes())
	return err
}

// cell makes text that a Markdown table holds.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "*", `\*`).Replace(s)
}
