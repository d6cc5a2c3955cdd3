package logstore

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

var (
	simSeed  = flag.Uint64("seed", 0, "run only the episode of this seed of the crash simulation")
	simFirst = flag.Uint64("first", 1, "the first seed of the crash simulation")
)

// simEpisodes is how many episodes a simulation runs: DALOG_EPISODES, by default
// as many as take a few seconds.
func simEpisodes(t testing.TB) int {
	if s := os.Getenv("DALOG_EPISODES"); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		return n
	}
	if testing.Short() {
		return 200
	}
	return 1000
}

// TestSimulation drives the Store step by step on a file system that is killed
// or loses power at any call, in recovery too, beside somebody else who appends
// to and renames its files, and checks after each recovery:
//
//   - what is acknowledged is in its file, whole, once and in order;
//   - the position of a source is exactly what the files hold of it, so that
//     sending again from there brings every line there once;
//   - what was received without acknowledgement is there at most once;
//   - whole lines of others are there once, unless the power took them;
//   - there is no NUL, nothing torn by a kill, and no line that nobody wrote;
//   - recovering again changes nothing;
//   - what readers could see stays where it was.
//
// A failure names its seed: go test -run TestSimulation/kill -seed N.
func TestSimulation(t *testing.T) {
	for _, power := range []bool{false, true} {
		name := "kill"
		if power {
			name = "power"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var total simCounts
			run := func(seed uint64) {
				e := newEpisode(seed, power)
				defer func() {
					if r := recover(); r != nil {
						t.Fatalf("seed %d: panic: %v\n%s\ngo test -run TestSimulation/%s -seed %d ./internal/logstore", seed, r, e.history(), name, seed)
					}
				}()
				if err := e.run(); err != nil {
					t.Fatalf("seed %d: %v\n%s\ngo test -run TestSimulation/%s -seed %d ./internal/logstore", seed, err, e.history(), name, seed)
				}
				total.add(e.counts)
			}
			if *simSeed != 0 {
				run(*simSeed)
				return
			}
			n := simEpisodes(t)
			for seed := range uint64(n) {
				run(*simFirst + seed)
			}
			t.Logf("%d episodes, %d crashes (%d in recovery), %d lines acknowledged, %d of others, %d checkpoints, %d rotations, %d fills",
				n, total.crashes, total.inRecovery, total.acked, total.foreign, total.checkpoints, total.rotated, total.lost)
			require.Greater(t, total.crashes, n)
			require.Greater(t, total.inRecovery, n/20)
		})
	}
}

type simCounts struct{ crashes, inRecovery, acked, foreign, checkpoints, rotated, lost int }

func (c *simCounts) add(d simCounts) {
	c.crashes += d.crashes
	c.inRecovery += d.inRecovery
	c.acked += d.acked
	c.foreign += d.foreign
	c.checkpoints += d.checkpoints
	c.rotated += d.rotated
	c.lost += d.lost
}

// simPrograms are the programs of the simulation with their files.
var simPrograms = []string{"celery", "uwsgi", "new"}

var simFiles = map[string]string{"celery": "worker.log", "uwsgi": "uwsgi.log", "new": "new.log"}

// simLine is one line of a source.
type simLine struct {
	program, text string
	end           int64 // in the source
}

// simSource is a source as its sender knows it.
type simSource struct {
	key   SourceKey
	lines []simLine
	acked int64
}

// sent is lines that nobody sends again.
type sent struct {
	program, text string
	state         sentState
}

type sentState byte

const (
	queued sentState = iota
	underWay
	committed
	perhaps // the process ended before it was certain
	certain // from the loss of power, too
	lost
)

// episode is one run of the simulation.
type episode struct {
	rng    *rand.Rand
	power  bool
	cfg    Config
	disk   *vfstest.Disk
	s      *Store
	counts simCounts
	log    []string
	logged logBuffer

	sources [3]simSource
	plain   []*sent
	foreign map[string][]string // by program
	shown   map[string]string   // by program: what must stay
	renamed map[string]int
	number  int
}

func newEpisode(seed uint64, power bool) *episode {
	rng := rand.New(rand.NewPCG(seed, 7))
	e := &episode{
		rng: rng, power: power,
		disk: vfstest.New(vfstest.Options{
			Seed: seed, Page: []int{64, 256, 4096}[rng.IntN(3)], Writeback: []float64{0, 0, 0.05}[rng.IntN(3)],
			NoHandles: rng.IntN(8) == 0, NoAllocate: rng.IntN(8) == 0, NoSyncAll: seed%4 == 0,
		}),
		foreign: make(map[string][]string), shown: make(map[string]string), renamed: make(map[string]int),
	}
	e.cfg = Config{Logger: e.logged.logger(), segmentSize: int64(2<<10 + rng.IntN(2<<rng.IntN(15))), MaxOpenFiles: 2 + rng.IntN(8), manyDirty: 1 + int(seed/4%3), burst: []int64{0, 0, 16 << 10}[seed/12%3]}
	if rng.IntN(4) == 0 {
		e.cfg.Durability = DurabilityMemory
	}
	if rng.IntN(3) == 0 {
		e.cfg.RotateSize = int64(200 + rng.IntN(2000))
	}
	for i := range e.sources {
		e.sources[i].key = SourceKey{Peer: fmt.Sprint("peer", i%2), ID: delivery.SourceID{byte(i + 1)}}
	}
	return e
}

func (e *episode) note(format string, args ...any) {
	e.log = append(e.log, fmt.Sprintf(format, args...))
}

func (e *episode) history() string {
	return strings.Join(e.log, "\n") + "\n" + e.logged.String()
}

// errStop says that the process has ended.
var errStop = vfstest.ErrCrashed

// run is the whole episode.
func (e *episode) run() error {
	if err := e.start(0); err != nil {
		return err
	}
	crashes := 1 + e.rng.IntN(4)
	for range crashes {
		e.disk.CrashAt(1 + e.rng.IntN(120))
		for steps := e.rng.IntN(60); steps > 0; steps-- {
			err := e.step()
			if errors.Is(err, errStop) {
				break
			}
			if err != nil {
				return err
			}
		}
		if err := e.crash(); err != nil {
			return err
		}
	}
	return e.end()
}

// crash ends the process and starts the next one, which may be ended in its
// recovery.
func (e *episode) crash() error {
	e.counts.crashes++
	e.endProcess()
	if e.rng.IntN(3) == 0 {
		e.appendForeign()
	}
	inRecovery := 0
	if e.rng.IntN(2) == 0 {
		inRecovery = 1 + e.rng.IntN(3)
	}
	return e.start(inRecovery)
}

func (e *episode) endProcess() {
	e.note("end of the process")
	e.s = nil
	for _, p := range e.plain {
		switch {
		case p.state == queued:
			p.state = lost
		case p.state == committed && !e.power:
			p.state = certain
		case p.state == committed, p.state == underWay:
			p.state = perhaps
		}
	}
	if e.power {
		e.disk.PowerLoss()
	} else {
		e.disk.Kill()
	}
}

// start opens the Store, which is ended up to crashes times meanwhile.
func (e *episode) start(crashes int) error {
	for ; crashes > 0; crashes-- {
		e.disk.CrashAt(1 + e.rng.IntN(40))
		_, err := openTwin(e.disk.FS(), e.cfg)
		if err != nil && !errors.Is(err, errStop) {
			return fmt.Errorf("recovery: %w", err)
		}
		if err != nil {
			e.counts.inRecovery++
		}
		e.note("recovery: %v", err)
		e.endProcess()
	}
	s, err := openTwin(e.disk.FS(), e.cfg)
	if err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	if e.rng.IntN(4) == 0 {
		before := e.contents()
		if err := s.Close(); err != nil {
			return err
		}
		if s, err = openTwin(e.disk.FS(), e.cfg); err != nil {
			return fmt.Errorf("second recovery: %w", err)
		}
		for program, text := range e.contents() {
			if before[program] != text {
				return fmt.Errorf("recovering again changed the file of %s from %q to %q", program, before[program], text)
			}
		}
	}
	e.s = s
	return e.check()
}

// step does one thing.
func (e *episode) step() error {
	switch e.rng.IntN(16) {
	case 0, 1, 2, 3:
		return e.submitRange()
	case 4, 5:
		return e.submitPlain()
	case 6, 7:
		e.appendForeign()
		return nil
	case 8, 9, 10:
		return e.commit()
	case 11, 12:
		return e.apply()
	case 13:
		return e.checkpoint()
	case 14:
		e.note("sync")
		return e.synced(e.s.syncJournal())
	default:
		if e.cfg.RotateSize > 0 || e.rng.IntN(3) > 0 {
			e.note("sweep")
			return e.s.sweep(time.Now())
		}
		e.rename()
		return nil
	}
}

func (e *episode) text(kind string) string {
	e.number++
	return fmt.Sprintf("%s %d %s", kind, e.number, strings.Repeat("x", e.rng.IntN(1<<e.rng.IntN(8))))
}

// submitRange sends some of a source's lines, new ones or again.
func (e *episode) submitRange() error {
	i := e.rng.IntN(len(e.sources))
	src := &e.sources[i]
	p, _ := e.s.Position(src.key)
	first := sort.Search(len(src.lines), func(k int) bool { return src.lines[k].end > p.Offset })
	if e.rng.IntN(3) == 0 {
		first = e.rng.IntN(first + 1) // again
	}
	gap := e.rng.IntN(8) == 0
	if gap {
		first += 1 + e.rng.IntN(8)
	}
	n := 1 + e.rng.IntN(6)
	for len(src.lines) < first+n {
		text := e.text(fmt.Sprintf("source%d", i))
		src.lines = append(src.lines, simLine{simPrograms[e.rng.IntN(len(simPrograms))], text, src.size() + int64(len(text)) + 1})
	}
	err := e.send(src, first, first+n)
	var refusal *PositionError
	if gap && errors.As(err, &refusal) {
		e.note("refused: %v", err)
		return nil
	}
	return err
}

func (src *simSource) size() int64 {
	if len(src.lines) == 0 {
		return 0
	}
	return src.lines[len(src.lines)-1].end
}

// send submits lines first to last of the source.
func (e *episode) send(src *simSource, first, last int) error {
	r := Range{Key: src.key}
	if first > 0 {
		r.Start = src.lines[first-1].end
	}
	var msgs []syslog.Message
	for _, l := range src.lines[first:last] {
		msgs = append(msgs, message(l.program, l.text))
		r.Ends = append(r.Ends, l.end)
	}
	anchor := func(at int64) uint32 { return uint32(at) * 31 }
	r.Before, r.After = anchor(r.Start), anchor(r.To())
	e.note("source %v: %d to %d", src.key.ID[0], r.Start, r.To())
	return e.s.SubmitRange(context.Background(), testTime, r, msgs, func(err error) {
		if err == nil {
			src.acked = max(src.acked, r.To())
		}
	})
}

// submitPlain sends lines without a source, some of them alike.
func (e *episode) submitPlain() error {
	var msgs []syslog.Message
	for range 1 + e.rng.IntN(4) {
		p := &sent{program: simPrograms[e.rng.IntN(len(simPrograms))], text: "plain, the same"}
		if e.rng.IntN(3) > 0 {
			p.text = e.text("plain")
		}
		e.plain = append(e.plain, p)
		msgs = append(msgs, message(p.program, p.text))
	}
	var waits func(error)
	if e.rng.IntN(2) == 0 {
		waits = func(error) {}
	}
	e.note("plain: %d, waiting: %t", len(msgs), waits != nil)
	return e.s.Submit(context.Background(), testTime, msgs, waits)
}

func (e *episode) commit() error {
	e.note("commit")
	if e.rng.IntN(3) == 0 {
		if err := e.s.journal.makeAhead(); err != nil {
			return err
		}
	}
	for _, p := range e.plain {
		if p.state == queued {
			p.state = underWay
		}
	}
	for {
		more, err := e.s.commitStep(context.Background())
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	for _, p := range e.plain {
		if p.state == underWay {
			p.state = committed
		}
	}
	if e.s.journal.clean() {
		return e.synced(nil)
	}
	return nil
}

// synced notes that the write-ahead log is durable.
func (e *episode) synced(err error) error {
	for _, p := range e.plain {
		if p.state == committed && err == nil {
			p.state = certain
		}
	}
	return err
}

func (e *episode) apply() error {
	e.note("apply")
	held, err := e.s.applyStep(true)
	if held {
		return errors.New("held without a full disk")
	}
	if err == nil && !e.power && len(e.renamed) == 0 {
		e.show()
	}
	return err
}

func (e *episode) checkpoint() error {
	e.note("checkpoint")
	if err := e.synced(e.s.checkpoint()); err != nil {
		return err
	}
	e.counts.checkpoints++
	if e.power && len(e.renamed) == 0 {
		e.show()
		for program, name := range simFiles {
			f := e.s.router.lookup(name)
			if f == nil {
				e.shown[program] = ""
				continue
			}
			// What others added behind our last line is not known to be durable.
			behind := max(0, int64(len(onDiskOr(e.disk, name)))-f.durable.size)
			e.shown[program] = e.shown[program][:int64(len(e.shown[program]))-behind]
		}
	}
	return nil
}

// show notes what readers can see by now, and so must stay.
func (e *episode) show() { e.shown = e.contents() }

// appendForeign adds a line as another process would.
func (e *episode) appendForeign() {
	program := simPrograms[e.rng.IntN(len(simPrograms))]
	line := e.text("foreign")
	e.note("foreign line for %s: %s", program, line)
	f, err := e.disk.Outside().OpenFile(simFiles[program], os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.Append([][]byte{[]byte(line + "\n")})
		if log := e.file(program); log == nil || log.opened == nil {
			f.Datasync() // what the Store has nothing to do with is not its care
		}
		f.Close()
	}
	if err != nil {
		panic(err)
	}
	e.foreign[program] = append(e.foreign[program], line)
	e.counts.foreign++
}

// file is the running Store's file of a program; nil if it has none.
func (e *episode) file(program string) *logFile {
	if e.s == nil {
		return nil
	}
	return e.s.router.lookup(simFiles[program])
}

// rename takes the name from a file as logrotate does. What others added to it
// is durable then: it is not the Store's to care for any more.
func (e *episode) rename() {
	program := simPrograms[e.rng.IntN(len(simPrograms))]
	name := simFiles[program]
	if f, err := e.disk.Outside().OpenFile(name, os.O_RDWR, 0); err == nil {
		f.Datasync()
		f.Close()
	}
	to := fmt.Sprintf("%s.%d", name, e.renamed[program]+1)
	if err := e.disk.Outside().Rename(name, to); errors.Is(err, fs.ErrNotExist) {
		return
	} else if err != nil {
		panic(err)
	}
	e.renamed[program]++
	e.note("renamed %s to %s", name, to)
}

// contents is what was ever written for each program, in order.
func (e *episode) contents() map[string]string {
	all := make(map[string]string)
	out := e.disk.Outside()
	for program, name := range simFiles {
		var files []string
		for i := range e.renamed[program] {
			files = append(files, fmt.Sprintf("%s.%d", name, i+1))
		}
		parts, err := out.ReadDir(partsDir(name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			panic(err)
		}
		for _, part := range parts {
			files = append(files, partsDir(name)+"/"+part.Name)
		}
		var text strings.Builder
		for _, file := range append(files, name) {
			content := onDiskOr(e.disk, file)
			text.WriteString(content)
			if content != "" && file != name && !strings.HasSuffix(content, "\n") {
				text.WriteString("\n")
			}
		}
		all[program] = text.String()
	}
	return all
}

// onDiskOr is the content of a file, empty if there is none.
func onDiskOr(d *vfstest.Disk, name string) string {
	f, err := d.Outside().OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		panic(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		panic(err)
	}
	b := make([]byte, info.Size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		panic(err)
	}
	return string(b)
}

// end sends everything that is not acknowledged again, and looks at the result.
func (e *episode) end() error {
	for i := range e.sources {
		src := &e.sources[i]
		p, _ := e.s.Position(src.key)
		first := sort.Search(len(src.lines), func(k int) bool { return src.lines[k].end > p.Offset })
		if first == len(src.lines) {
			continue
		}
		if err := e.send(src, first, len(src.lines)); err != nil {
			return err
		}
	}
	for _, do := range []func() error{e.commit, e.apply, e.checkpoint, e.s.Close} {
		if err := do(); err != nil {
			return err
		}
	}
	for i := range e.sources {
		if src := &e.sources[i]; src.acked != src.size() {
			return fmt.Errorf("source %d: acknowledged to %d of %d", i+1, src.acked, src.size())
		}
	}
	e.endProcess()
	if err := e.start(0); err != nil {
		return err
	}
	e.counts.acked = 0
	for i := range e.sources {
		src := &e.sources[i]
		if p, _ := e.s.Position(src.key); p.Offset != src.size() {
			return fmt.Errorf("source %d is at %d of %d in the end", i+1, p.Offset, src.size())
		}
		e.counts.acked += len(src.lines)
	}
	e.counts.rotated = int(e.s.Stats().Parts)
	return nil
}

// check compares the files with what was sent.
func (e *episode) check() error {
	contents := e.contents()
	for i := range e.sources {
		src := &e.sources[i]
		p, _ := e.s.Position(src.key)
		e.note("source %d is at %d, acknowledged to %d", i+1, p.Offset, src.acked)
		if p.Offset < src.acked && (!e.power || e.cfg.Durability == DurabilitySync) {
			return fmt.Errorf("source %d is at %d, and was acknowledged to %d", i+1, p.Offset, src.acked)
		}
		src.acked = p.Offset
	}
	for program, text := range contents {
		if err := e.checkFile(program, text); err != nil {
			return fmt.Errorf("%s: %w\n%s", simFiles[program], err, text)
		}
		if shown := e.shown[program]; e.renamed[program] == 0 && !strings.HasPrefix(text, shown) {
			return fmt.Errorf("%s: what could be seen has changed: it was\n%s\nit is\n%s", simFiles[program], shown, text)
		}
	}
	return nil
}

func (e *episode) checkFile(program, text string) error {
	if i := strings.IndexByte(text, 0); i >= 0 {
		return fmt.Errorf("NUL at %d", i)
	}
	header := strings.Replace(testHeader, "celery", program, 1)
	have := make(map[string]int)
	var ours []string
	var known []string // all lines that may be there
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		have[line]++
		if rest, ok := strings.CutPrefix(line, header); ok && strings.HasPrefix(rest, "source") {
			ours = append(ours, rest)
		}
	}
	explained := make(map[string]bool)
	for i := range e.sources {
		var want, got []string
		for _, l := range e.sources[i].lines {
			known = append(known, header+l.text)
			if l.program == program && l.end <= e.sources[i].acked {
				want = append(want, l.text)
				explained[header+l.text] = true
			}
		}
		for _, l := range ours {
			if strings.HasPrefix(l, fmt.Sprintf("source%d ", i)) && explained[header+l] {
				got = append(got, l)
			}
		}
		if !slices.Equal(want, got) {
			return fmt.Errorf("source %d: %q are there instead of %q", i+1, got, want)
		}
	}
	least, most := make(map[string]int), make(map[string]int)
	for _, p := range e.plain {
		if p.program != program {
			continue
		}
		known = append(known, header+p.text)
		if p.state == certain {
			least[p.text]++
		}
		if p.state != lost && p.state != queued {
			most[p.text]++
		}
	}
	for text, n := range most {
		explained[header+text] = true
		if k := have[header+text]; k < least[text] || k > n {
			return fmt.Errorf("%q is there %d times instead of %d to %d", text, k, least[text], n)
		}
	}
	for _, line := range e.foreign[program] {
		known = append(known, line)
		explained[line] = true
		n := have[line]
		if n == 0 {
			for got := range have {
				if strings.HasSuffix(got, line) && isPrefixOfAny(got[:len(got)-len(line)], known) {
					n = 1 // behind a line that a crash tore
					explained[got] = true
				}
			}
		}
		if n > 1 || n == 0 && !e.power {
			return fmt.Errorf("%q is there %d times", line, n)
		}
	}
	for line := range have {
		if !explained[line] && !(e.power && isPiece(line, known)) {
			return fmt.Errorf("nobody wrote %q", line)
		}
	}
	for _, p := range e.plain {
		if p.program == program && p.state == perhaps {
			p.state = simSettled(have[header+p.text], least[p.text], most[p.text])
		}
	}
	return nil
}

// simSettled is the state of a line that was perhaps there, and is n times: only
// where it is all or none of them the next recovery is held to it.
func simSettled(n, least, most int) sentState {
	switch n {
	case least:
		return lost
	case most:
		return certain
	}
	return perhaps
}

func isPrefixOfAny(s string, known []string) bool {
	return slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, s) })
}

var simDigits = regexp.MustCompile("[0-9]+")

// isPiece tells whether a line may be there after a loss of power: a line that
// says that something was lost, or what is left of lines that nobody was promised.
func isPiece(line string, known []string) bool {
	line = strings.TrimSuffix(line, truncatedMark)
	if strings.Trim(line, ".") == "" || strings.HasPrefix(line, "dalog: ") {
		return true
	}
	marker, short := string(lossMark(100, false)), string(lossMark(30, false))
	in := func(part string) bool {
		said := simDigits.ReplaceAllString(strings.TrimRight(part, ". "), "100")
		return strings.Contains(marker, said) || strings.Contains(short, said) ||
			strings.HasPrefix(said, "100") && strings.Contains(marker, said[3:]) || slices.ContainsFunc(known, func(k string) bool { return strings.Contains(k, part) })
	}
	for i := range len(line) + 1 {
		if !in(line[:i]) {
			continue
		}
		for k := i; k <= len(line); k++ {
			if in(line[i:k]) && in(line[k:]) {
				return true
			}
		}
	}
	return false
}
