package fault

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// law is what must hold of the files of a folder. Over RELP as it is, a line
// that was acknowledged is there at least once, and one that was sent n times
// is there at most n times: so a line that never had to be sent again is there
// at most once. Lines of a source stand in the order in which they were sent,
// without a gap but where a connection ended. No line is damaged, and there
// is nothing in the files that nobody sent.
type law struct {
	gaps     bool // acknowledged lines may be missing; they are counted
	marks    bool // lines of plain sources may be missing, and lines of dalogd's say where
	headless bool // the same for those before the first that is there of a source in a file
	others   bool // lines of other sources are let pass
	cut      bool // the last line of a copy may end half-way: it was made while that was written
}

// account is what an oracle found.
type account struct {
	files, lines           int
	lost, duplicated       int
	repeated               int // lines there more than once that were also sent more than once
	diverted               int // lines in the overflow file
	marks                  int // lines that say that others were lost
	gone                   int // lines before the first of a source in a file
	disordered, unreadable int
	problems               []string
}

func (a *account) problem(format string, args ...any) {
	if len(a.problems) < 20 {
		a.problems = append(a.problems, fmt.Sprintf(format, args...))
	}
}

func (a *account) String() string {
	text := fmt.Sprintf("%d lines in %d files, lost %d, duplicated %d (and %d sent again and stored twice), out of order %d, unreadable %d",
		a.lines, a.files, a.lost, a.duplicated, a.repeated, a.disordered, a.unreadable)
	if a.diverted > 0 {
		text += fmt.Sprintf(", in the overflow file %d", a.diverted)
	}
	if a.marks > 0 {
		text += fmt.Sprintf(", said to be lost in %d places", a.marks)
	}
	return text
}

// audit reads all files of the load's programs below dir and accounts for
// every line.
func (l *load) audit(dir string, rule law) *account {
	a := new(account)
	seen := make([][]uint16, len(l.sources))
	for i, s := range l.sources {
		s.mu.Lock()
		defer s.mu.Unlock()
		seen[i] = make([]uint16, s.sentLocked())
		for _, w := range s.wrong {
			a.problem("%s", w)
		}
	}
	diverted := l.auditOverflow(dir, seen, a)
	programs := map[string]bool{}
	for _, s := range l.sources {
		for _, p := range s.programs {
			programs[p] = true
		}
	}
	for program := range programs {
		l.auditFile(dir, program, rule, seen, diverted, a)
	}
	for i, s := range l.sources {
		for seq, n := range seen[i] {
			times := 0
			if n > 1 {
				times = s.times(seq)
			}
			switch {
			case n == 0 && seq < s.acked:
				a.lost++
				if !rule.gaps {
					a.problem("lost: line %d of source %d, which has %d acknowledged", seq, i, s.acked)
				}
			case int(n) > max(times, 1):
				a.duplicated++
				a.problem("duplicated: line %d of source %d is there %d times and was sent %d times", seq, i, n, times)
			case n > 1:
				a.repeated++
			}
		}
	}
	return a
}

// auditOverflow counts the lines in the overflow file, which their own files would
// not take.
func (l *load) auditOverflow(dir string, seen [][]uint16, a *account) (diverted map[[2]int]bool) {
	diverted = map[[2]int]bool{}
	names, err := generations(dir, "overflow")
	var all []byte // one after the other: it is rotated like any other
	for i := 0; i < len(names) && err == nil; i++ {
		var data []byte
		data, err = contents(names[i])
		all = append(all, data...)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.problem("overflow.log: %v", err)
	}
	for line := range strings.Lines(string(all)) {
		source, seq, err := parseLine([]byte(strings.TrimSuffix(line, "\n")))
		source -= l.first
		if err != nil || source < 0 || source >= len(l.sources) || seq >= len(seen[source]) {
			a.unreadable++
			a.problem("overflow.log has %.200q (%v)", line, err)
			continue
		}
		seen[source][seq]++
		diverted[[2]int{source, seq}] = true
		a.diverted++
	}
	return diverted
}

// auditFile goes through what was ever stored for one program.
func (l *load) auditFile(dir, program string, rule law, seen [][]uint16, diverted map[[2]int]bool, a *account) {
	last := make([]int, len(l.sources))
	for i := range last {
		last[i] = -1
	}
	names, err := generations(dir, program)
	if err != nil {
		a.problem("%v", err)
		return
	}
	for _, name := range names {
		data, err := contents(name)
		if err != nil {
			a.unreadable++
			a.problem("%s: %v", name, err)
			continue
		}
		a.files++
		if at := bytes.IndexByte(data, 0); at >= 0 {
			a.unreadable++
			a.problem("%s has a NUL byte at %d", name, at)
		}
		if rule.cut && !strings.HasSuffix(name, ".log") {
			data = data[:bytes.LastIndexByte(data, '\n')+1]
		}
		if len(data) > 0 && data[len(data)-1] != '\n' {
			a.unreadable++
			a.problem("%s does not end with a line end", name)
		}
		for number := 1; len(data) > 0; number++ {
			line, rest, _ := bytes.Cut(data, []byte("\n"))
			data = rest
			if rule.marks && (bytes.HasPrefix(line, []byte("dalog: ")) || bytes.HasPrefix(line, []byte("..")) || bytes.HasSuffix(line, []byte(" [dalog: truncated]")) || bytes.Equal(line, []byte("."))) {
				a.marks++
				continue
			}
			source, seq, err := parseLine(line)
			source -= l.first
			if rule.others && (source < 0 || source >= len(l.sources)) {
				continue
			}
			if err == nil && (source < 0 || source >= len(l.sources) || seq >= len(seen[source])) {
				err = errors.New("it was never sent")
			}
			if err == nil && l.sources[source].programs[seq%len(l.sources[source].programs)] != program {
				err = errors.New("it belongs in another file")
			}
			if err != nil {
				a.unreadable++
				a.problem("%s:%d: %v: %.200q", name, number, err, line)
				continue
			}
			a.lines++
			s := l.sources[source]
			step := len(s.programs)
			if rule.headless && last[source] < 0 {
				for before := seq % step; before < seq; before += step {
					seen[source][before] = 1
					a.gone++
				}
				last[source] = seq - step
			}
			for diverted[[2]int{source, last[source] + step}] && last[source]+step < seq {
				last[source] += step
			}
			seen[source][seq]++
			if seq != last[source]+step && !s.startsWithin(seq, step) && !((rule.gaps || rule.marks && s.plain) && seq > last[source]) {
				a.disordered++
				a.problem("%s:%d: line %d of source %d behind line %d, and no connection began there", name, number, seq, source, last[source])
			}
			last[source] = seq
		}
	}
}

// generations are the files of a program in the order in which they were
// written: dalogd's own parts, files that others rotated away, the active one.
func generations(dir, program string) ([]string, error) {
	active := filepath.Join(dir, program+".log")
	parts, err := filepath.Glob(active + ".d/*")
	if err != nil {
		return nil, err
	}
	sort.Strings(parts) // by first offset
	var names []string
	for _, p := range parts {
		switch plain, packed := strings.CutSuffix(p, ".zst"); {
		case packed && len(names) > 0 && names[len(names)-1] == plain:
			// Compressed, and killed before the original was removed.
			if err := sameContents(plain, p); err != nil {
				return nil, err
			}
		case strings.HasSuffix(plain, ".log"):
			names = append(names, p)
		}
	}
	var rotated []string
	for _, pattern := range []string{".*", "-*"} {
		others, err := filepath.Glob(active + pattern)
		if err != nil {
			return nil, err
		}
		for _, o := range others {
			if info, err := os.Stat(o); err == nil && info.Mode().IsRegular() {
				rotated = append(rotated, o)
			}
		}
	}
	sort.Slice(rotated, func(i, j int) bool { return generation(rotated[i]) < generation(rotated[j]) })
	names = append(names, rotated...)
	if _, err := os.Stat(active); err == nil {
		names = append(names, active)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return names, nil
}

func sameContents(a, b string) error {
	left, err := contents(a)
	if err != nil {
		return err
	}
	right, err := contents(b)
	if err == nil && !bytes.Equal(left, right) {
		err = fmt.Errorf("%s and %s differ", a, b)
	}
	return err
}

// generation orders the names that logrotate gives: NAME.2.gz before NAME.1,
// and NAME-20261123-2 after NAME-20261123-1.
func generation(name string) string {
	name = strings.TrimSuffix(name, ".gz")
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		var n int
		if _, err := fmt.Sscanf(name[at:], ".%d", &n); err == nil {
			return fmt.Sprintf("%09d", 999_999_999-n)
		}
	}
	return name
}

// contents is a file's text, whatever it is compressed with.
func contents(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	switch filepath.Ext(name) {
	case ".zst":
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return d.DecodeAll(data, nil)
	case ".gz":
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		_, err = out.ReadFrom(z)
		return out.Bytes(), err
	}
	return data, nil
}

// requireAll wants everything to be there.
func (l *load) requireAll(dir string) *account {
	l.t.Helper()
	return l.require(dir, law{})
}

// require wants the law to hold and returns what was counted.
func (l *load) require(dir string, rule law) *account {
	l.t.Helper()
	a := l.audit(dir, rule)
	if len(a.problems) > 0 {
		l.t.Fatalf("%s\n%s", a, strings.Join(a.problems, "\n"))
	}
	return a
}

// waitStored waits until all that was acknowledged is in the files, which it is
// a moment later.
func (l *load) waitStored(dir string) {
	l.t.Helper()
	eventually(l.t, "acknowledged lines to be in their files", func() bool { return l.audit(dir, law{gaps: true}).lost == 0 })
}

// The oracle finds everything that it is there to find.
func TestOracle(t *testing.T) {
	t.Parallel()
	whole := func() (*load, []int) {
		s := &source{programs: []string{"p00"}, sessions: []span{{0, 10}, {8, 20}}, acked: 15}
		return &load{t: t, sources: []*source{s}}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 13, 14, 15}
	}
	for _, c := range []struct {
		name   string
		change func(stored []int) []int
		want   string // the first problem, or the account if there is none
	}{
		{"nothing wrong", func(s []int) []int { return s }, "17 lines in 1 files, lost 0, duplicated 0 (and 1 sent again and stored twice), out of order 0"},
		{"lost in the middle", func(s []int) []int { return append(s[:3], s[4:]...) }, "behind line 2"},
		{"lost at the end", func(s []int) []int { return s[:15] }, "lost: line 14"},
		{"lost at the start", func(s []int) []int { return s[1:] }, "line 1 of source 0 behind line -1"},
		{"all lost", func([]int) []int { return nil }, "lost: line 0"},
		{"twice and sent once", func(s []int) []int { return append(s[:3:3], s[2:]...) }, "line 2 of source 0 behind line 2"},
		{"three times and sent twice", func(s []int) []int { return append(s[:10:10], s[8:]...) }, "duplicated: line 8 of source 0 is there 4 times and was sent 2 times"},
		{"two lines swapped", func(s []int) []int { s[4], s[5] = s[5], s[4]; return s }, "behind line 3"},
		{"never sent", func(s []int) []int { return append(s, 21) }, "never sent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, stored := whole()
			var text []byte
			for _, seq := range c.change(stored) {
				text = append(text, "2026-11-23T08:27:00Z web0 p00: "...)
				text = append(appendLine(text, 0, seq), '\n')
			}
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "p00.log"), text, 0o600))
			a := l.audit(dir, law{})
			require.Contains(t, strings.Join(append(a.problems, a.String()), "\n"), c.want)
			require.Equal(t, c.name == "nothing wrong", len(a.problems) == 0)
		})
	}
	for name, text := range map[string]string{
		"has a NUL byte":                  "2026 web0 p00: " + string(appendLine(nil, 0, 0)) + "\n\x00\x00\n",
		"does not end with a line end":    "2026 web0 p00: " + string(appendLine(nil, 0, 0)),
		"no checksum at its end":          "2026 web0 p00: " + string(appendLine(nil, 0, 0)[:30]) + "\n",
		"the checksum does not fit":       "2026 web0 p00: s00 n0000001 a crc=00000000\n",
		"no line of ours: \"web0 p00 x\"": "web0 p00 x\n",
		"no line of ours: \"\"":           "\n",
		"where 3 was due":                 "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, _ := whole()
			l.sources[0].wrong = []string{"4 where 3 was due"}
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "p00.log"), []byte(text), 0o600))
			require.Contains(t, strings.Join(l.audit(dir, law{}).problems, "\n"), name)
		})
	}
}
