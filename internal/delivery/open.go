package delivery

// Open is the data of a dalogopen, little endian:
//
//	version u8  agent [16]  nonce [16]  host u16 + bytes
//	claims u16, of each: source [16]  path u16 + bytes
//
// It claims sources for the session. A session may send several, with the same
// agent and nonce.
type Open struct {
	// Agent names the sender for as long as its state lasts. A new session of an
	// agent ends the one before.
	Agent [16]byte
	// Nonce names the session. It is drawn at random.
	Nonce  [16]byte
	Host   string // as the messages claim
	Claims []Claim
}

// Claim is a source that a session is to send.
type Claim struct {
	ID   SourceID
	Path string // for people
}

// AppendTo appends the data; there must not be more than MaxClaims claims.
func (o *Open) AppendTo(dst []byte) []byte {
	dst = append(dst, wireVersion)
	dst = append(dst, o.Agent[:]...)
	dst = append(dst, o.Nonce[:]...)
	dst = appendText(dst, o.Host, maxName)
	dst = le.AppendUint16(dst, uint16(len(o.Claims)))
	for _, c := range o.Claims {
		dst = append(dst, c.ID[:]...)
		dst = appendText(dst, c.Path, MaxPath)
	}
	return dst
}

// size is how many bytes a claim takes.
func (c *Claim) size() int { return len(c.ID) + 2 + min(len(c.Path), MaxPath) }

// Fitting is how many of the claims fit into one dalogopen.
func Fitting(claims []Claim) int {
	const head = 1 + 16 + 16 + 2 + maxName + 2
	size := head
	for i := range claims {
		if size += claims[i].size(); size > MaxData || i == MaxClaims {
			return i
		}
	}
	return len(claims)
}

// ParseOpen reads the data of a dalogopen.
func ParseOpen(data []byte) (o Open, err error) {
	r := reader{b: data}
	r.version()
	o.Agent, o.Nonce = r.id(), r.id()
	o.Host = string(r.text(maxName))
	n := r.u16()
	if n > MaxClaims || n*(16+2) > len(r.b) {
		r.fail("too many claims")
		n = 0
	}
	for range n {
		o.Claims = append(o.Claims, Claim{ID: r.id(), Path: string(r.text(MaxPath))})
	}
	return o, r.end()
}

// Opened is the data of the answer to a dalogopen:
//
//	version u8  store [16]  replaced [16]
//	sources u16, of each: source [16]  known u8  committed u64  anchor u32
type Opened struct {
	// Store names the server's store: another one than before has not got what
	// this one had.
	Store [16]byte
	// Replaced is the nonce of the session of the same agent that this one has
	// ended; zero for none.
	Replaced [16]byte
	Sources  []Committed // in the order of the claims
}

// Committed is where a source stands.
type Committed struct {
	ID     SourceID
	Known  bool // the server has something of the source
	Offset int64
	Anchor uint32 // CRC-32C of the bytes before Offset, at most AnchorSize
}

// AppendTo appends the data.
func (o *Opened) AppendTo(dst []byte) []byte {
	dst = append(dst, wireVersion)
	dst = append(dst, o.Store[:]...)
	dst = append(dst, o.Replaced[:]...)
	dst = le.AppendUint16(dst, uint16(len(o.Sources)))
	for i := range o.Sources {
		s := &o.Sources[i]
		dst = append(dst, s.ID[:]...)
		dst = append(dst, flagBits(s.Known))
		dst = le.AppendUint64(dst, uint64(s.Offset))
		dst = le.AppendUint32(dst, s.Anchor)
	}
	return dst
}

// ParseOpened reads the data of the answer to a dalogopen.
func ParseOpened(data []byte) (o Opened, err error) {
	r := reader{b: data}
	r.version()
	o.Store, o.Replaced = r.id(), r.id()
	n := r.u16()
	if n*(16+1+8+4) > len(r.b) {
		r.fail("too short")
		n = 0
	}
	for range n {
		o.Sources = append(o.Sources, Committed{ID: r.id(), Known: r.u8() != 0, Offset: r.offset(), Anchor: r.u32()})
	}
	return o, r.end()
}

// flagBits is 1 for the first flag, 2 for the second, and so on.
func flagBits(flags ...bool) (bits byte) {
	for i, set := range flags {
		if set {
			bits |= 1 << i
		}
	}
	return bits
}

// AppendEnd appends the data of a dalogend, which says that all of a source is
// acknowledged and its file is gone: version u8, source [16].
func AppendEnd(dst []byte, id SourceID) []byte {
	return append(append(dst, wireVersion), id[:]...)
}

// ParseEnd reads the data of a dalogend.
func ParseEnd(data []byte) (id SourceID, err error) {
	r := reader{b: data}
	r.version()
	id = r.id()
	return id, r.end()
}
