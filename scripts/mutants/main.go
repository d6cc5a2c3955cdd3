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
	dir, err := os.MkdirTemp("", "dalog-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyTree(root, dir); err != nil {
		return err
	}
	if err := sound(ctx, dir, chosen); err != nil {
		return err
	}
	survivors := 0
	for _, m := range chosen {
		begin := time.Now()
		by, err := m.try(ctx, dir)
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
	fmt.Printf("%d mutants, %d caught\n", len(chosen), len(chosen)-survivors)
	if survivors > 0 {
		return fmt.Errorf("%d mutants are not noticed by any test", survivors)
	}
	return nil
}

// sound runs all tests without a mistake: they must pass.
func sound(ctx context.Context, dir string, chosen []mutant) error {
	var done []test
	for _, m := range chosen {
		for _, t := range m.tests {
			if slices.Contains(done, t) {
				continue
			}
			done = append(done, t)
			out, err := t.exec(ctx, dir)
			if err != nil {
				return fmt.Errorf("%s fails without any mistake:\n%s", t, out)
			}
			if strings.Contains(out, "no tests to run") || strings.Contains(out, "--- SKIP") {
				return fmt.Errorf("%s does not run here:\n%s", t, out)
			}
		}
	}
	return nil
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
