package delivery

import (
	"crypto/rand"
	"encoding/hex"
)

// SourceID names a source. It is drawn at random, so two forwarders never use
// the same one, and it must be durable before the first byte goes out under it.
type SourceID [16]byte

// NewSourceID draws a SourceID.
func NewSourceID() SourceID {
	var id SourceID
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the process instead
	return id
}

// String gives 32 hexadecimal digits.
func (id SourceID) String() string { return hex.EncodeToString(id[:]) }
