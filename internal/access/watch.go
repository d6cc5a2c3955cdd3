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
func (g *Guard) Reload() error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	g.seen = g.cfg.Files.identify()
	return g.load()
}

// Run reads the files again when they change, until ctx ends. A failure is
// logged once for each state of the files.
func (g *Guard) Run(ctx context.Context) error {
	if g.cfg.Files == (Files{}) {
		<-ctx.Done()
		return nil
	}
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
	now := g.cfg.Files.identify()
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
	t, err := g.cfg.Files.load()
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
