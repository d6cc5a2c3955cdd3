package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// sample is a program with one setting of each kind.
type sample struct {
	Dir   string     `group:"Files" placeholder:"DIR" default:"/srv" help:"Where. Not elsewhere."`
	Size  ByteSize   `group:"Files" default:"1MiB" help:"How much."`
	Names []string   `group:"Files" help:"Who."`
	Sizes []ByteSize `group:"Files" help:"How much of each."`
	Loud  bool       `help:"Say so."`
	Base
	Run  struct{} `cmd:"" default:"withargs" help:"Do it."`
	Wait struct {
		Soon bool `help:"Not long."`
	} `cmd:"" help:"Do it later."`
	Check struct{} `cmd:"" help:"Look."`
}

type result struct {
	sample
	inv    *Invocation
	err    error
	stdout string
}

// parse runs the parser with a configuration file of this content; empty: none.
func parse(t *testing.T, file string, environ []string, args ...string) *result {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sampled.yaml")
	if file != "" {
		require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
	}
	var stdout, stderr bytes.Buffer
	r := &result{}
	p := Program{
		Name: "sampled", Description: "Does things.\n\nMore of it.\n\nExit codes: 0 fine; 1 not.", ConfigFile: path, Version: "1.2",
		Args: args, Environ: environ, Stdout: &stdout, Stderr: &stderr,
	}
	r.inv, r.err = p.Parse(&r.sample)
	if r.err != nil {
		r.err = errors.New(strings.ReplaceAll(r.inv.All(r.err).Error(), path, "FILE"))
	}
	r.stdout = strings.ReplaceAll(stdout.String(), path, "FILE")
	return r
}

func (r *result) origin(name string) string {
	for _, s := range r.inv.Settings {
		if s.Name == name {
			return s.Origin
		}
	}
	return "no such setting"
}

// Command line, environment, file, default: each goes before the next.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	const file = "dir: /file\nsize: 4KiB\nnames: [a, 'b,c']\n"
	env := []string{"SAMPLED_DIR=/env", "SAMPLED_SIZE=null"}
	for _, tc := range []struct {
		name, file  string
		environ     []string
		args        []string
		dir, origin string
		size        ByteSize
		names       []string
		namesFrom   string
	}{
		{"default", "", nil, nil, "/srv", "default", 1 << 20, nil, "default"},
		{"file", file, nil, nil, "/file", ":1", 4 << 10, []string{"a", "b,c"}, ":3"},
		{"environment", file, env, nil, "/env", "$SAMPLED_DIR", 4 << 10, []string{"a", "b,c"}, ":3"},
		{"command line", file, env, []string{"--dir", "/flag", "--names=x,y", "--names", "z"}, "/flag", "--dir", 4 << 10, []string{"x", "y", "z"}, "--names"},
		{"list in the environment", file, []string{"SAMPLED_NAMES=x,y"}, nil, "/file", ":1", 4 << 10, []string{"x", "y"}, "$SAMPLED_NAMES"},
		{"list as text", "names: a,b", nil, nil, "/srv", "default", 1 << 20, []string{"a", "b"}, ":1"},
		{"block list", "names:\n- a\n- b # and more\n", nil, nil, "/srv", "default", 1 << 20, []string{"a", "b"}, ":1"},
		{"not set", "dir: null\nsize: ~\nnames: None\n", nil, nil, "/srv", "default", 1 << 20, nil, "default"},
		{"comments only", "# dir: /x\n", nil, nil, "/srv", "default", 1 << 20, nil, "default"},
		{"no file", file, nil, []string{"--config=none"}, "/srv", "default", 1 << 20, nil, "default"},
		{"with a command", file, nil, []string{"wait", "--soon"}, "/file", ":1", 4 << 10, []string{"a", "b,c"}, ":3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := parse(t, tc.file, tc.environ, tc.args...)
			require.NoError(t, r.err)
			require.Equal(t, tc.dir, r.Dir)
			require.Equal(t, tc.size, r.Size)
			require.Equal(t, tc.names, r.Names)
			require.True(t, strings.HasSuffix(r.origin("dir"), tc.origin), r.origin("dir"))
			require.True(t, strings.HasSuffix(r.origin("names"), tc.namesFrom), r.origin("names"))
		})
	}
}

// All that is wrong is found, also where something else overrides it.
// The files of the folder beside the configuration file count after it, by name,
// with or without it.
func TestFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	load := func(args ...string) (*result, error) {
		r := &result{}
		var out bytes.Buffer
		p := Program{Name: "sampled", ConfigFile: filepath.Join(dir, "sampled.yaml"), Args: args, Stdout: &out, Stderr: &out}
		var err error
		r.inv, err = p.Parse(&r.sample)
		return r, err
	}
	write("sampled.d/20-more.yaml", "names: [c]\nloud: true\n")
	write("sampled.d/10-first.yml", "names: [b]\nsize: 2KiB\n")
	write("sampled.d/.30-hidden.yaml", "nonsense: 1\n")
	write("sampled.d/30-old.yaml.bak", "nonsense: 1\n")
	r, err := load()
	require.NoError(t, err)
	require.Equal(t, []string{"c"}, r.Names)
	require.EqualValues(t, 2048, r.Size)
	require.Equal(t, filepath.Join(dir, "sampled.d"), r.inv.ConfigFile)

	write("sampled.yaml", "names: [a]\ndir: /a\nsize: 1KiB\n")
	r, err = load()
	require.NoError(t, err)
	require.Equal(t, []string{"c"}, r.Names)
	require.Equal(t, "/a", r.Dir)
	require.Equal(t, filepath.Join(dir, "sampled.d/10-first.yml:2"), r.origin("size"))
	require.Equal(t, filepath.Join(dir, "sampled.yaml"), r.inv.ConfigFile)
	_, err = load("--config", "none")
	require.NoError(t, err)

	write("sampled.d/15-wrong.yaml", "dir: /b\nsiez: 1\n")
	_, err = load()
	require.EqualError(t, err, filepath.Join(dir, "sampled.d/15-wrong.yaml:2")+": unknown setting siez, did you mean size?")
}

func TestProblems(t *testing.T) {
	t.Parallel()
	const file = "dri: /x\nsize: big\nsizes: [1, 2KiB, x]\nlog_format: xml\nloud: perhaps\n"
	want := strings.Join([]string{
		"FILE:1: unknown setting dri, did you mean dir?",
		`FILE:2: size: "big" is not a size such as 65536, 64KiB or 1MiB`,
		`FILE:3: sizes: "x" is not a size such as 65536, 64KiB or 1MiB`,
		`FILE:4: log_format: "xml" is none of text, json`,
		`FILE:5: loud: bool value must be true, 1, yes, false, 0 or no but got "perhaps"`,
		`$SAMPLED_SIZE: "huge" is not a size such as 65536, 64KiB or 1MiB`,
	}, "\n")
	r := parse(t, file, []string{"SAMPLED_SIZE=huge"}, "check", "--size=1")
	require.EqualError(t, r.err, want)
	r = parse(t, file, []string{"SAMPLED_SIZE=huge"})
	require.EqualError(t, r.err, "FILE:1: unknown setting dri, did you mean dir? (and 5 more: see the command 'check')")
	r = parse(t, "", nil, "--config=/no/such/file")
	require.EqualError(t, r.err, "/no/such/file: cannot be read: no such file or directory. Name another file with --config, or 'none'")
	r = parse(t, "config: /x\n", nil)
	require.ErrorContains(t, r.err, "unknown setting config")
	r = parse(t, "", []string{"SAMPLED_DRI=x", "SAMPLED_SOON=true", "SAMPLER_X=y"})
	require.NoError(t, r.err)
	require.Equal(t, []string{"SAMPLED_DRI, did you mean SAMPLED_DIR?", "SAMPLED_SOON"}, r.inv.Warnings)
}

// Help, version, manual page and completions need no sound configuration.
func TestHelpInSpiteOfProblems(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"--version"}, {"man"}, {"completion", "fish"}} {
		r := parse(t, "dri: /x\n", nil, args...)
		require.NoError(t, r.err)
		require.True(t, r.inv.Done)
		require.NotEmpty(t, r.stdout)
	}
}

// What config print writes as text is a file with the same settings.
func TestPrint(t *testing.T) {
	t.Parallel()
	r := parse(t, "dir: 'a: b #c'\nnames: [\"x,y\", '', \"\\\"q\\\"\"]\n", []string{"SAMPLED_LOUD=1"}, "config", "print", "--size", "8KiB")
	require.NoError(t, r.err)
	require.Equal(t, `# sampled 1.2, configuration file FILE
dir: "a: b #c"                                  # FILE:1
size: 8KiB                                      # --size
names: ["x,y", "", "\"q\""]                     # FILE:2
#sizes:                                         # default
loud: 1                                         # $SAMPLED_LOUD
log_format: text                                # default
log_level: info                                 # default
`, r.stdout)
	again := parse(t, r.stdout, nil, "config", "print", "-o", "json")
	require.NoError(t, again.err)
	require.Equal(t, "a: b #c", again.Dir)
	require.Equal(t, []string{"x,y", "", `"q"`}, again.Names)
	require.EqualValues(t, 8<<10, again.Size)
	require.True(t, again.Loud)
	var out struct {
		ConfigFile string `json:"config_file"`
		Settings   []Setting
	}
	require.NoError(t, json.Unmarshal([]byte(again.stdout), &out))
	require.Equal(t, "FILE", out.ConfigFile)
	require.Equal(t, Setting{Name: "size", Values: []string{"8KiB"}, Origin: "FILE:3"}, out.Settings[1])
}

// The completions work in a real bash.
func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		peers.Lacking(t, err)
	}
	script := parse(t, "", nil, "completion", "bash").stdout
	for line, want := range map[string]string{
		"sampled ":                    "config completion man wait check --help --dir --size --names --sizes --loud --config --log-format --log-level --version",
		"sampled --log-f":             "--log-format",
		"sampled --log-format ":       "text json",
		"sampled --log-format json w": "wait",
		"sampled config ":             "print",
		"sampled wait --s":            "--soon --size --sizes",
		"sampled completion ":         "bash zsh fish",
	} {
		call := script + `
words=($1); [[ $1 == *" " ]] && words+=("")
COMP_WORDS=("${words[@]}"); COMP_CWORD=$((${#words[@]}-1)); _sampled; echo "${COMPREPLY[*]}"`
		out, err := exec.Command("bash", "-c", call, "bash", line).CombinedOutput()
		require.NoError(t, err, string(out))
		require.True(t, strings.HasPrefix(string(out), want), "%q: %s", line, out)
	}
}

// The manual page holds every setting, and no line that troff takes for a request.
func TestMan(t *testing.T) {
	t.Parallel()
	page := parse(t, "", nil, "man").stdout
	for _, want := range []string{".SH NAME\nsampled \\- Does things\n", ".TP\n.B 0\nfine\n", `.B \-\-log\-format=FORMAT`, "($SAMPLED_LOG_FORMAT)", ".SS Files", ".B wait [flags]"} {
		require.Contains(t, page, want)
	}
	require.NotContains(t, page, "($SAMPLED_SOON)")
}

func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{"a: 1\nb: [x, 'y']\n", "- x", "a: |\n  b\n", "a: *b", "? a\n: b", "<<: {a: b}", "a: !!int x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		entries, problem := parseFile("f", content)
		if problem != nil && (entries != nil || problem.Error() == "") {
			t.Fatalf("%v with %v", problem, entries)
		}
	})
}
