package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Setting is one setting with what is in force and why.
type Setting struct {
	Name string `json:"name"` // as in the file
	// Values are as they were written; of a list one each. None: not set.
	Values []string `json:"values"`
	// Origin is a flag, a variable, FILE:LINE or "default".
	Origin string `json:"origin"`
	List   bool   `json:"-"`
	flag   *kong.Flag
}

// Value is the value of a setting that has one.
func (s Setting) Value() string { return strings.Join(s.Values, ",") }

// Problem is one thing wrong with the settings.
type Problem struct {
	Origin string // where it stands: a variable, FILE or FILE:LINE
	Err    error
}

func (p *Problem) Error() string { return p.Origin + ": " + p.Err.Error() }

// Problems are all that is wrong with environment and file. As an error it
// tells the first one.
type Problems []*Problem

func (p Problems) Error() string {
	if len(p) == 1 {
		return p[0].Error()
	}
	return fmt.Sprintf("%v (and %d more: see the command 'check')", p[0], len(p)-1)
}

// each joins all problems, a line each.
func (p Problems) each() error {
	errs := make([]error, len(p))
	for i, problem := range p {
		errs[i] = problem
	}
	return errors.Join(errs...)
}

// commandLineOnly are the flags that have no other form.
var commandLineOnly = []string{"help", "version"}

// isSetting tells whether a flag of the program can be set elsewhere.
func isSetting(f *kong.Flag) bool { return !slices.Contains(commandLineOnly, f.Name) && !f.Hidden }

// source is where settings come from besides the command line; it resolves the
// program's flags.
type source struct {
	program  *Program
	model    *kong.Application
	env      Environment
	loaded   bool
	command  string // when loaded
	path     string // of the configuration file; empty: none
	folder   string // of the files that go before it
	resolved map[string]Setting
	problems Problems
}

// Validate implements kong.Resolver.
func (*source) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (s *source) Resolve(c *kong.Context, path *kong.Path, flag *kong.Flag) (any, error) {
	if path.App == nil || !isSetting(flag) || !s.program.needsSettings(command(c.Path)) {
		return nil, nil
	}
	if !s.loaded {
		s.load(c)
	}
	if len(s.problems) > 0 {
		return nil, s.problems
	}
	if setting, ok := s.resolved[flag.Name]; ok {
		return joined(flag, setting.Values), nil
	}
	return nil, nil
}

// joined is the one text that kong reads values from.
func joined(flag *kong.Flag, values []string) string {
	if flag.IsSlice() {
		return kong.JoinEscaped(values, flag.Tag.Sep)
	}
	return strings.Join(values, "")
}

// load reads environment and file, and checks every value in them.
func (s *source) load(c *kong.Context) {
	s.loaded, s.command = true, command(c.Path)
	s.resolved = make(map[string]Setting)
	settings := make(map[string]*kong.Flag)
	for _, f := range s.model.Flags {
		if isSetting(f) {
			settings[f.Name] = f
		}
	}
	s.path, s.folder = s.configFile(c)
	files, problem := filesIn(s.folder)
	if problem != nil {
		s.problems = append(s.problems, problem)
	}
	if s.path != "" {
		files = append([]string{s.path}, files...)
	}
	if s.path == "" && len(files) > 0 {
		s.path = s.folder
	}
	for _, path := range files { // what comes later counts
		entries, problem := readFile(path)
		if problem != nil {
			s.problems = append(s.problems, problem)
		}
		s.takeFile(path, settings, entries)
	}
	for name, f := range settings {
		variable := EnvName(s.program.Name, name)
		value, ok := s.env[variable]
		if !ok {
			continue
		}
		setting := Setting{Values: []string{value}, Origin: "$" + variable}
		if f.IsSlice() {
			setting.Values = kong.SplitEscaped(value, f.Tag.Sep)
		}
		if err := tryAll(f, setting.Values); err != nil {
			s.problems = append(s.problems, &Problem{setting.Origin, err})
		}
		s.resolved[name] = setting
	}
	slices.SortStableFunc(s.problems, func(a, b *Problem) int { // of the environment: the map has no order
		if a.Origin[0] != '$' || b.Origin[0] != '$' {
			return 0
		}
		return cmp.Compare(a.Origin, b.Origin)
	})
	if s.program.Fallback != nil && len(s.problems) == 0 {
		s.fallBack(c, settings)
	}
}

// fallBack asks the program for what nothing has set.
func (s *source) fallBack(c *kong.Context, settings map[string]*kong.Flag) {
	from := Lookup{Env: s.env, Setting: func(name string) string { return s.value(c, settings[name]) }}
	for name, f := range settings {
		if _, ok := s.resolved[name]; ok || s.onCommandLine(c, f) {
			continue
		}
		value, origin, err := s.program.Fallback(name, from)
		if err == nil && value != "" {
			s.resolved[name] = Setting{Values: []string{value}, Origin: origin}
			err = try(f, value)
		}
		if err != nil {
			s.problems = append(s.problems, &Problem{origin, err})
		}
	}
}

// value is the text of a setting with one value.
func (s *source) value(c *kong.Context, f *kong.Flag) string {
	if s.onCommandLine(c, f) {
		return fmt.Sprint(c.FlagValue(f))
	}
	if setting, ok := s.resolved[f.Name]; ok {
		return setting.Value()
	}
	return f.Default
}

// configFile is the file that --config, its variable or the default names, and the
// folder beside it. The default file may be missing, the folder too.
func (s *source) configFile(c *kong.Context) (file, folder string) {
	path := ""
	for _, p := range c.Path {
		if p.Flag != nil && p.Flag.Name == configFlag {
			path, _ = c.FlagValue(p.Flag).(string)
		}
	}
	path = cmp.Or(path, s.env[EnvName(s.program.Name, configFlag)])
	switch path {
	case "none":
		return "", ""
	case "":
		path = s.program.ConfigFile
		folder = folderBeside(path)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			path = ""
		}
		return path, folder
	}
	return path, folderBeside(path)
}

func (s *source) onCommandLine(c *kong.Context, f *kong.Flag) bool {
	return slices.ContainsFunc(c.Path, func(p *kong.Path) bool { return p.Flag == f })
}

// takeFile checks the entries of a file and takes them over.
func (s *source) takeFile(path string, settings map[string]*kong.Flag, entries []fileEntry) {
	seen := make(map[string]int)
	for _, e := range entries {
		wrong := func(line int, format string, args ...any) {
			s.problems = append(s.problems, &Problem{at(path, line), fmt.Errorf(format, args...)})
		}
		name := strings.ReplaceAll(e.key, "_", "-")
		f := settings[name]
		if f == nil || name == configFlag {
			hint := didYouMean(fileKey(name), fileKeys(settings), 0)
			if hint == "" {
				hint = fmt.Sprintf("; '%s config print --config none' lists them", s.program.Name)
			}
			wrong(e.line, "unknown setting %s%s", e.key, hint)
			continue
		}
		if before := seen[name]; before > 0 {
			wrong(e.line, "%s is set a second time; the first time is line %d", e.key, before)
			continue
		}
		seen[name] = e.line
		if len(e.values) == 0 && !e.list {
			continue
		}
		setting := Setting{Origin: at(path, e.line)}
		if !f.IsSlice() && e.list {
			wrong(e.line, "%s takes one value, not a list", e.key)
			continue
		}
		for _, v := range e.values {
			values := []string{v.text}
			if f.IsSlice() && !e.list { // as it would be in the environment
				values = kong.SplitEscaped(v.text, f.Tag.Sep)
			}
			if err := tryAll(f, values); err != nil {
				wrong(v.line, "%s: %w", e.key, err)
			}
			setting.Values = append(setting.Values, values...)
		}
		if len(setting.Values) > 0 {
			s.resolved[name] = setting
		}
	}
}

// fileKey is the name of a setting in the file.
func fileKey(name string) string { return strings.ReplaceAll(name, "-", "_") }

func fileKeys(settings map[string]*kong.Flag) (keys []string) {
	for name := range settings {
		if name != configFlag {
			keys = append(keys, fileKey(name))
		}
	}
	slices.Sort(keys) // of two that are equally similar, always the same one
	return keys
}

// tryAll tells what is wrong with the values for f, without setting it.
func tryAll(f *kong.Flag, values []string) error {
	for _, v := range values {
		if err := try(f, v); err != nil {
			return err
		}
	}
	return nil
}

func try(f *kong.Flag, text string) error {
	if f.IsSlice() {
		text = kong.JoinEscaped([]string{text}, f.Tag.Sep)
	}
	scratch := reflect.New(f.Target.Type()).Elem()
	err := f.Mapper.Decode(&kong.DecodeContext{Value: f.Value, Scan: kong.Scan().PushTyped(text, kong.FlagValueToken)}, scratch)
	if err != nil {
		return err
	}
	if f.Enum == "" {
		return nil
	}
	if !slices.Contains(f.EnumSlice(), text) {
		return fmt.Errorf("%q is none of %s", text, strings.Join(f.EnumSlice(), ", "))
	}
	return nil
}

// all lists every setting in the order of --help.
func (s *source) all(args []string) []Setting {
	given := commandLine(s.model, args)
	var list []Setting
	for _, f := range s.model.Flags {
		if !isSetting(f) {
			continue
		}
		setting, ok := s.resolved[f.Name]
		if values := given[f.Name]; values != nil {
			setting, ok = Setting{Values: values, Origin: "--" + f.Name}, true
		}
		switch {
		case !ok && f.HasDefault && f.Default != "":
			setting = Setting{Values: []string{f.Default}, Origin: "default"}
			if f.IsSlice() {
				setting.Values = kong.SplitEscaped(f.Default, f.Tag.Sep)
			}
		case !ok && f.IsBool():
			setting = Setting{Values: []string{"false"}, Origin: "default"}
		case !ok:
			setting = Setting{Origin: "default"}
		}
		setting.Name, setting.List, setting.flag = fileKey(f.Name), f.IsSlice(), f
		list = append(list, setting)
	}
	return list
}

// commandLine collects the values of the program's flags as they are written in
// args, which have been parsed without an error.
func commandLine(model *kong.Application, args []string) map[string][]string {
	flags := make(map[string]*kong.Flag)
	_ = kong.Visit(model, func(n kong.Visitable, next kong.Next) error {
		if f, ok := n.(*kong.Flag); ok && flags[f.Name] == nil {
			flags[f.Name] = f
		}
		return next(nil)
	})
	given := make(map[string][]string)
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			break
		}
		rest, ok := strings.CutPrefix(args[i], "--")
		if !ok {
			continue
		}
		name, value, hasValue := strings.Cut(rest, "=")
		f := flags[name]
		if f == nil {
			continue
		}
		switch {
		case hasValue:
		case f.IsBool():
			value = "true"
		case i+1 < len(args):
			i++
			value = args[i]
		}
		if f.IsSlice() {
			given[name] = append(given[name], kong.SplitEscaped(value, f.Tag.Sep)...)
		} else {
			given[name] = []string{value}
		}
	}
	return given
}
