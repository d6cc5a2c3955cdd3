package access

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/singleflight"
)

const (
	// rememberFor is how long a password that was right is not checked again.
	rememberFor = 5 * time.Minute
	// maxRemembered bounds the passwords that are remembered.
	maxRemembered = 1000
	// maxWaiting bounds the checks that wait for a processor.
	maxWaiting = 32
)

var (
	errWrong = errors.New("wrong name or password")
	errBusy  = errors.New("too many logins are being checked")
)

// logins checks passwords. A check costs some 50 ms of processor time on
// purpose, so few run at a time, few wait, and what was right is remembered.
type logins struct {
	slots   chan struct{} // one for each check that runs
	waiting atomic.Int32
	flights singleflight.Group // checks of the same
	key     [32]byte           // of remembered digests; random
	dummy   atomic.Pointer[[]byte]

	mu    sync.Mutex
	right map[[sha256.Size]byte]time.Time // digest → until when
}

func newLogins() *logins {
	l := &logins{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), right: make(map[[sha256.Size]byte]time.Time)}
	rand.Read(l.key[:]) // never fails, by its documentation
	return l
}

// prepare makes the hash that a name without one is checked against, so that
// the time of an answer does not tell which names exist.
func (l *logins) prepare(cost int) error {
	if cost == 0 {
		return nil
	}
	if d := l.dummy.Load(); d != nil {
		if have, err := bcrypt.Cost(*d); err == nil && have == cost {
			return nil
		}
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(rand.Text()), cost)
	if err != nil {
		return err
	}
	l.dummy.Store(&hash)
	return nil
}

// check returns nil, and remembers it, if password is that of hash, nil hash of nobody; errWrong;
// errBusy; or why ctx ended.
func (l *logins) check(ctx context.Context, name, password string, hash []byte) error {
	digest := l.digest(name, password, hash)
	_, err, _ := l.flights.Do(string(digest[:]), func() (any, error) {
		return nil, l.compare(ctx, password, hash)
	})
	if err == nil {
		l.remember(digest)
	}
	return err
}

// compare waits for its turn.
func (l *logins) compare(ctx context.Context, password string, hash []byte) error {
	if l.waiting.Add(1) > maxWaiting {
		l.waiting.Add(-1)
		return errBusy
	}
	select {
	case l.slots <- struct{}{}:
		l.waiting.Add(-1)
	case <-ctx.Done():
		l.waiting.Add(-1)
		return errBusy // the client left; others may wait for the same check
	}
	defer func() { <-l.slots }()
	known := hash != nil
	if !known {
		hash = *l.dummy.Load()
	}
	if err := bcrypt.CompareHashAndPassword(hash, []byte(password)); err != nil || !known {
		return errWrong
	}
	return nil
}

// digest stands for a login without telling it. It covers the hash, so that a
// change of the password ends what is remembered.
func (l *logins) digest(name, password string, hash []byte) (d [sha256.Size]byte) {
	mac := hmac.New(sha256.New, l.key[:])
	for _, part := range [][]byte{[]byte(name), []byte(password), hash} {
		sum := sha256.Sum256(part)
		mac.Write(sum[:])
	}
	copy(d[:], mac.Sum(nil))
	return d
}

// known tells whether this was checked lately, and was right.
func (l *logins) known(name, password string, hash []byte) bool {
	digest := l.digest(name, password, hash)
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.right[digest]
	return ok && time.Now().Before(until)
}

func (l *logins) remember(digest [sha256.Size]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if len(l.right) >= maxRemembered {
		for d, until := range l.right {
			if now.After(until) {
				delete(l.right, d)
			}
		}
		if len(l.right) >= maxRemembered {
			clear(l.right)
		}
	}
	l.right[digest] = now.Add(rememberFor)
}

// proof is how a name was proved.
type proof struct {
	hash  []byte // of the password
	token *[sha256.Size]byte
	proxy bool // a listed proxy says so
}

// holds tells whether the proof is still one by t.
func (p proof) holds(t *tables, name string) bool {
	switch {
	case p.hash != nil:
		return bytes.Equal(t.users[name], p.hash)
	case p.token != nil:
		return t.tokens[*p.token] == name
	}
	return p.proxy
}
