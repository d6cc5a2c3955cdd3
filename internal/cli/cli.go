package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Program describes one of the programs and the world around it.
type Program struct {
	Name        string
	Description string // of --help
	ConfigFile  string // where its configuration usually is
	Version     string
	// Fallback, where set, gives a value and its origin for a setting that
	// nothing else has set; it goes before the default. An error names the
	// place that origin is then.
	Fallback func(setting string, from Lookup) (value, origin string, err error)

	Args           []string
	Environ        []string
	Stdout, Stderr io.Writer

	settings []string // names of all of them, once the parser is made
}

// Lookup is what a Fallback can look at.
type Lookup struct {
	Env     Environment
	Setting func(name string) string // a setting without a Fallback
}

// Base are the flags and commands that both programs have.
type Base struct {
	ConfigFile string `name:"config" group:"Configuration" placeholder:"FILE" help:"Settings as YAML. Settings in the files *.yaml of the folder of that name that ends in .d count after it, by name. 'none': no file. Default: ${config_file}, where it exists."`
	LogFlags

	Version kong.VersionFlag `help:"Print the version and exit."`

	Config struct {
		Print struct {
			Output string `short:"o" enum:"text,json" default:"text" help:"'text', which can be used as a configuration file, or 'json'."`
		} `cmd:"" help:"Print every setting that is in force, and where it comes from."`
	} `cmd:"" help:"About the settings."`
	Completion struct {
		Shell string `arg:"" enum:"bash,zsh,fish" help:"'bash', 'zsh' or 'fish'."`
	} `cmd:"" help:"Print completions for a shell. For bash: source <(${name} completion bash)."`
	Man struct {
		Format string `enum:"man,markdown" default:"man" help:"'man', or 'markdown' for a table of the settings."`
	} `cmd:"" help:"Print the manual page."`
}

const configFlag = "config"

// Invocation is a command line with the settings around it.
type Invocation struct {
	// Done: all that was asked for is printed.
	Done bool
	// Command is the words of the command without its arguments.
	Command string
	Env     Environment
	// ConfigFile is the file that was read; empty for none.
	ConfigFile string
	// Settings are all of them, in the order of --help.
	Settings []Setting
	// Warnings are variables that mean nothing.
	Warnings []string
}

// Warn tells of variables that mean nothing.
func (inv *Invocation) Warn(log *slog.Logger) {
	for _, w := range inv.Warnings {
		log.Warn("unknown environment variable; --help lists those that count", "name", w)
	}
}

// All makes an error of Parse tell everything that is wrong, a line each, where
// that is what the command is for.
func (inv *Invocation) All(err error) error {
	var problems Problems
	if errors.As(err, &problems) && inv.Command == "check" {
		return problems.each()
	}
	return err
}

// Locate adds to an error that names flags where those are set that are not on
// the command line.
func (inv *Invocation) Locate(err error) error {
	if err == nil {
		return nil
	}
	var places []string
	for _, s := range inv.Settings {
		flag := "--" + s.flag.Name
		if s.Origin != "default" && s.Origin != flag && regexp.MustCompile(flag+`\b([^-]|$)`).MatchString(err.Error()) {
			places = append(places, s.Name+" is set in "+s.Origin)
		}
	}
	if len(places) == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(places, ", "))
}

// asked is how kong's --help and --version end the parsing.
type asked struct{ code int }

// Parse sets target, a pointer to a struct with [Base] in it, and does what that
// has commands for. The error of wrong settings is a [Problems].
func (p *Program) Parse(target any) (inv *Invocation, err error) {
	inv = &Invocation{Env: ParseEnviron(p.Environ)}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(asked); !ok {
				panic(r)
			}
			inv.Done = true
		}
	}()
	s := &source{program: p, env: inv.Env}
	parser, err := p.parser(target, s)
	if err != nil {
		return inv, err
	}
	s.model = parser.Model
	parsed, err := parser.Parse(p.Args)
	inv.Command = s.command
	var problems Problems
	if errors.As(err, &problems) {
		return inv, problems
	}
	if err != nil {
		return inv, fmt.Errorf("%w; see %s --help", err, p.Name)
	}
	inv.Command = command(parsed.Path)
	inv.ConfigFile = s.path
	inv.Settings = s.all(p.Args)
	inv.Warnings = inv.Env.unknown(p.Name, p.settings)
	inv.Done = true
	switch inv.Command {
	case "config print":
		return inv, printSettings(p, inv, flagOf(parsed, "output"))
	case "completion":
		return inv, writeCompletion(p.Stdout, parser.Model, parsed.Selected().Positional[0].Target.String())
	case "man":
		if flagOf(parsed, "format") == "markdown" {
			return inv, writeReference(p.Stdout, parser.Model, p)
		}
		return inv, writeMan(p.Stdout, parser.Model, p)
	}
	inv.Done = false
	return inv, nil
}

// needsSettings tells whether a command looks at settings at all.
func (p *Program) needsSettings(command string) bool {
	return command != "man" && !strings.HasPrefix(command, "completion")
}

func (p *Program) parser(target any, resolvers ...kong.Resolver) (*kong.Kong, error) {
	parser, err := kong.New(target,
		kong.Name(p.Name), kong.Description(p.Description),
		kong.Writers(p.Stdout, p.Stderr), kong.Exit(func(code int) { panic(asked{code}) }),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100, NoExpandSubcommands: true}),
		kong.ValueFormatter(p.helpOf),
		kong.Vars{"version": versionLine(p.Version), "config_file": p.ConfigFile, "name": p.Name},
		kong.Resolvers(resolvers...),
	)
	if err == nil {
		p.settings = settingNames(parser.Model)
	}
	return parser, err
}

// helpOf is the help of a flag, with its default and its variable.
func (p *Program) helpOf(v *kong.Value) string {
	help := v.Help
	if v.HasDefault && v.Default != "" {
		help += " Default: " + v.Default + "."
	}
	if v.Flag == nil || !slices.Contains(p.settings, v.Name) {
		return help
	}
	return fmt.Sprintf("%s ($%s)", help, EnvName(p.Name, v.Name))
}

// command is the words of the selected command.
func command(path []*kong.Path) string {
	var words []string
	for _, p := range path {
		if p.Command != nil {
			words = append(words, p.Command.Name)
		}
	}
	return strings.Join(words, " ")
}

// flagOf is a flag of the selected command.
func flagOf(c *kong.Context, name string) string {
	for _, f := range c.Selected().Flags {
		if f.Name == name {
			return f.Target.String()
		}
	}
	return ""
}

func settingNames(model *kong.Application) (names []string) {
	for _, f := range model.Flags {
		if isSetting(f) {
			names = append(names, f.Name)
		}
	}
	return names
}
