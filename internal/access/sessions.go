package access

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// errRevoked ends a request whose reader may no longer do what it does.
var errRevoked = errors.New("the reader's rights have changed")

// sessions are the requests under way of readers with a name, some of which,
// those that follow a file, last for days.
type sessions struct {
	mu   sync.Mutex
	open map[*session]struct{}
}

type session struct {
	reader *Reader
	proof  proof
	cancel context.CancelCauseFunc
}

// begin gives r a context with its reader, which ends when the reader loses a
// right. end must be called.
func (s *sessions) begin(r *http.Request, reader *Reader, p proof) (_ *http.Request, end func()) {
	ctx, cancel := context.WithCancelCause(withReader(r.Context(), reader))
	ses := &session{reader, p, cancel}
	s.mu.Lock()
	if s.open == nil {
		s.open = make(map[*session]struct{})
	}
	s.open[ses] = struct{}{}
	s.mu.Unlock()
	return r.WithContext(ctx), func() {
		s.mu.Lock()
		delete(s.open, ses)
		s.mu.Unlock()
		cancel(nil)
	}
}

// recheck cuts off whom t gives other rights, or no longer knows.
func (s *sessions) recheck(t *tables) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ses := range s.open {
		if !ses.proof.holds(t, ses.reader.Name) || !t.reader(ses.reader.Name).same(ses.reader) {
			ses.cancel(errRevoked)
		}
	}
}
