package relp

import (
	"cmp"
	"slices"
	"sync"
)

// ServerConfig is what all sessions of a [Server] have in common.
type ServerConfig struct {
	// Software names this program to clients: name, version and address, with
	// commas between them. Default "dalog".
	Software string
	// MaxMessage is how many bytes of a message are kept; the rest of a longer
	// one is read and dropped, so that no message comes again for ever.
	// Default 1 MiB.
	MaxMessage int
	// MaxFrame is the size in bytes above which a message ends its session.
	// Default 64 MiB.
	MaxFrame int
	// Extensions are commands besides RELP's own. A session has those that
	// its client offers as well.
	Extensions []Extension
	// Offers go along with the answer to "open", each to a client that makes
	// an offer of the same name.
	Offers []Offer
}

// Extension is a command that both sides must offer.
type Extension struct {
	Name string // 1 to 32 letters
	Max  int    // most bytes of data; more ends the session
}

// Server makes the sessions of one listener. It does not change and may be used
// by all goroutines.
type Server struct {
	cfg     ServerConfig
	size    int
	buffers sync.Pool // of *[]byte, for writing answers
}

// NewServer checks the names in cfg.
func NewServer(cfg ServerConfig) (*Server, error) {
	cfg.Software = cmp.Or(cfg.Software, "dalog")
	cfg.MaxMessage = cmp.Or(cfg.MaxMessage, 1<<20)
	cfg.MaxFrame = max(cmp.Or(cfg.MaxFrame, 64<<20), cfg.MaxMessage)
	s := &Server{cfg: cfg, size: max(cfg.MaxMessage, maxOffersSize)}
	var names []string
	for _, e := range cfg.Extensions {
		names = append(names, e.Name)
		s.size = max(s.size, e.Max)
	}
	if err := ours(cfg.Software, names, cfg.Offers); err != nil {
		return nil, err
	}
	s.buffers.New = func() any {
		b := make([]byte, 0, writeSize+maxHeader)
		return &b
	}
	return s, nil
}

// BufferSize is the largest buffer that a session ever needs for
// [Session.Next].
func (s *Server) BufferSize() int { return s.size + 4<<10 }

// NewSession begins a session, on a connection of its own.
func (s *Server) NewSession() *Session {
	n := &Session{server: s, due: 1}
	n.acker.server = s
	n.acker.wake = make(chan struct{}, 1)
	n.acker.next = 1
	return n
}

// welcome appends the answer to the "open" of a client with those offers.
func (s *Server) welcome(dst []byte, client Offers) []byte {
	var commands []string
	for _, e := range s.cfg.Extensions {
		if client.has(e.Name) {
			commands = append(commands, e.Name)
		}
	}
	offers := slices.DeleteFunc(slices.Clone(s.cfg.Offers), func(o Offer) bool {
		_, found := client.Get(o.Name)
		return !found
	})
	return appendOffers(append(dst, "200 OK\n"...), s.cfg.Software, commands, offers)
}
