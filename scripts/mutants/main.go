// Command mutants shows that the tests notice what must not be: it makes one
// mistake at a time in a copy of the checkout, runs the tests that are there for
// it, and wants one of them to fail.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// mutant is a mistake.
type mutant struct {
	name  string
	edits []edit
	tests []test // of which one must fail; the quick ones first
}

// edit replaces the only place in a file where the text old stands.
type edit struct{ file, old, new string }

// test are the tests of a package whose names match run.
type test struct{ pkg, run string }

func (t test) String() string { return strings.TrimPrefix(t.pkg, "./internal/") + " " + t.run }

// testTime bounds one run of tests; a mutant that hangs is noticed as well.
const testTime = 5 * time.Minute

func main() {
	only := flag.String("run", "", "only mutants whose names match this regular expression")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool { return !pattern.MatchString(m.name) })
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	if os.Getenv("DALOG_CACHE") == "" { // the copy has no peers of its own
		os.Setenv("DALOG_CACHE", filepath.Join(root, ".cache"))
	}
	if os.Getenv("DALOG_EPISODES") == "" { // a mistake shows early in a simulation
		os.Setenv("DALOG_EPISODES", "400")
	}
	dir, err := os.MkdirTemp("", "dalog-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyTree(root, dir); err != nil {
		return err
	}
	sound := soundness{dir: dir, known: map[test]bool{}}
	survivors := 0
	for _, m := range chosen {
		begin := time.Now()
		by, err := m.catch(ctx, &sound)
		took := time.Since(begin).Round(time.Second / 10)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", m.name, err)
		case by == nil:
			survivors++
			fmt.Printf("SURVIVED  %-40s %v\n", m.name, took)
		default:
			fmt.Printf("caught    %-40s by %s, %v\n", m.name, by, took)
		}
	}
	switch {
	case survivors > 0:
		return fmt.Errorf("%d of %d mutants are not noticed by any test", survivors, len(chosen))
	case len(sound.broken) > 0:
		return fmt.Errorf("%d tests fail without any mistake", len(sound.broken))
	}
	fmt.Printf("all %d mutants are caught\n", len(chosen))
	return nil
}

// soundness knows which tests pass without a mistake, and so can tell something.
type soundness struct {
	dir    string
	known  map[test]bool
	broken []test
}

func (s *soundness) of(ctx context.Context, t test) bool {
	if sound, ok := s.known[t]; ok {
		return sound
	}
	out, err := t.exec(ctx, s.dir)
	sound := err == nil && !strings.Contains(out, "no tests to run") && !strings.Contains(out, "--- SKIP")
	if !sound && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "%s does not pass without any mistake:\n%s\n", t, out)
		s.broken = append(s.broken, t)
	}
	s.known[t] = sound
	return sound
}

// catch makes the mistake, and tells which test fails for no other reason; nil if
// none does.
func (m mutant) catch(ctx context.Context, sound *soundness) (by *test, err error) {
	m.tests = slices.Clone(m.tests)
	for len(m.tests) > 0 {
		if by, err = m.try(ctx, sound.dir); by == nil || err != nil || sound.of(ctx, *by) {
			return by, err
		}
		m.tests = m.tests[slices.Index(m.tests, *by)+1:]
	}
	return nil, ctx.Err()
}

// try makes the mistake, and tells which test fails; nil if none does.
func (m mutant) try(ctx context.Context, dir string) (by *test, err error) {
	for _, e := range m.edits {
		path := filepath.Join(dir, e.file)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if n := strings.Count(string(text), e.old); n != 1 {
			return nil, fmt.Errorf("%s: the text to be replaced is there %d times: mend the mutant\n%s", e.file, n, e.old)
		}
		defer func() { err = errors.Join(err, os.WriteFile(path, text, 0o644)) }()
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o644); err != nil {
			return nil, err
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "./...")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("it cannot be built: %w\n%s", err, out)
	}
	for _, t := range m.tests {
		out, err := t.exec(ctx, dir)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case strings.Contains(out, "[build failed]"):
			return nil, fmt.Errorf("its tests cannot be built:\n%s", out)
		case err != nil:
			return &t, nil
		}
	}
	return nil, nil
}

func (t test) exec(ctx context.Context, dir string) (out string, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-failfast", "-timeout", testTime.String(), "-run", t.run, t.pkg)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	b, err := cmd.CombinedOutput()
	return string(b), err
}

// copyTree copies the sources, not what lies in hidden folders or bin.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case e.IsDir() && (name == "bin" || strings.HasPrefix(e.Name(), ".") && name != "."):
			return fs.SkipDir
		case e.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case !e.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, 0o644)
	})
}
