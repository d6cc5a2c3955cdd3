package access

import (
	"context"
	"os"
	"slices"
	"time"
)

// lookEvery is how often the files are looked at for changes.
const lookEvery = 2 * time.Second

// Reload reads the files, whether they changed or not. After an error what
// they said before stays in force.
func (g *Guard) Reload() error { return g.Change(*g.config.Load()) }

// Change puts cfg in force, its Logger aside, and reads its files. After an error
// all stays as it was.
func (g *Guard) Change(cfg Config) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	seen := cfg.Files.identify()
	before := g.config.Swap(&cfg)
	if err := g.load(); err != nil {
		if before != nil {
			g.config.Store(before)
		}
		return err
	}
	g.seen = seen
	return nil
}

// Run reads the files again when they change, until ctx ends. A failure is
// logged once for each state of the files.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			g.reloadChanged()
		}
	}
}

func (g *Guard) reloadChanged() {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	now := g.config.Load().Files.identify()
	if slices.EqualFunc(now[:], g.seen[:], sameFile) {
		return
	}
	g.seen = now
	if err := g.load(); err != nil {
		g.log.Error("who may read stays as it was", "err", err)
		return
	}
	g.log.Info("who may read has been read anew")
}

// load puts what the files say now in force, and cuts off whoever lost by it.
// reloading is held.
func (g *Guard) load() error {
	t, err := g.config.Load().Files.load()
	if err != nil {
		return err
	}
	if err := g.logins.prepare(t.cost); err != nil {
		return err
	}
	g.tables.Store(t)
	g.sessions.recheck(t)
	return nil
}

func (f Files) identify() (ids [3]os.FileInfo) {
	for i, name := range []string{f.Users, f.Tokens, f.Rights} {
		if name != "" {
			ids[i], _ = os.Stat(name) // nil: there is none, and load says so
		}
	}
	return ids
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}
