package logstore

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// The filter of a frame tells which longer texts it surely does not have. Of
// each gramWindow grams in a row, a gram being gramSize bytes, the one with the
// least hash is in it ("winnowing"): so of every text of at least minFiltered
// bytes that the frame has, some grams are, wherever it stands, and those can be
// told from the text alone.
const (
	gramSize    = 5
	gramWindow  = 12
	minFiltered = gramSize + gramWindow - 1
	filterBits  = 8 // for each gram
	filterSum   = 4 // bytes of the checksum in front
)

// gramHash is the hash of the gram at the beginning of the 8 bytes b.
func gramHash(b []byte) uint32 {
	v := binary.LittleEndian.Uint64(b) << (64 - 8*gramSize)
	return uint32(v * 0x9E3779B97F4A7C15 >> 32)
}

// winnow appends the hashes of the grams of text that are chosen, some of them
// several times.
func winnow(text []byte, hashes []uint32) []uint32 {
	n := len(text) - gramSize + 1
	if n < gramWindow {
		return hashes
	}
	var window [16]uint32 // the latest ones: a place is found without a division
	var tail [8]byte
	least, at := uint32(0), -1 // the least hash of the window, and which gram it is
	for i := range n {
		var h uint32
		if i+8 <= len(text) {
			h = gramHash(text[i:])
		} else {
			copy(tail[:], text[i:])
			h = gramHash(tail[:])
		}
		window[i%len(window)] = h
		switch {
		case at >= 0 && h <= least:
			least, at = h, i
		case at < 0 && i == gramWindow-1, at >= 0 && at <= i-gramWindow:
			least, at = h, i
			for k := i - 1; k > i-gramWindow; k-- {
				if x := window[k%len(window)]; x < least {
					least, at = x, k
				}
			}
		default:
			continue
		}
		if i >= gramWindow-1 {
			hashes = append(hashes, least)
		}
	}
	return hashes
}

// distinct leaves hashes out that were there before. It is a table with open
// addressing, kept for the next time.
type distinct struct{ table []uint32 }

// of gives the hashes, each once, in the same slice.
func (d *distinct) of(hashes []uint32) []uint32 {
	size := 1 << bits.Len(uint(2*len(hashes)))
	if cap(d.table) < size {
		d.table = make([]uint32, size)
	}
	d.table = d.table[:size]
	clear(d.table)
	shift, mask := 33-bits.Len(uint(size)), size-1
	n, zero := 0, false
	for _, h := range hashes {
		if h == 0 { // which stands for an empty place
			if zero {
				continue
			}
			zero = true
		} else {
			i := int(h*0x9E3779B1>>shift) & mask
			for d.table[i] != 0 && d.table[i] != h {
				i = (i + 1) & mask
			}
			if d.table[i] == h {
				continue
			}
			d.table[i] = h
		}
		hashes[n] = h
		n++
	}
	return hashes[:n]
}

// appendFilter appends a Bloom filter of hashes, which are distinct.
func appendFilter(dst []byte, hashes []uint32) []byte {
	size := max(8, (len(hashes)*filterBits+7)/8)
	start := len(dst)
	dst = append(dst, make([]byte, filterSum+size)...)
	bits := dst[start+filterSum:]
	for _, h := range hashes {
		a, b := probes(h, len(bits))
		bits[a/8] |= 1 << (a % 8)
		bits[b/8] |= 1 << (b % 8)
	}
	binary.LittleEndian.PutUint32(dst[start:], crc32.Checksum(bits, castagnoli))
	return dst
}

// probes are the bits of a hash.
func probes(h uint32, size int) (a, b uint64) {
	n := uint64(size) * 8
	g := h*0x85EBCA6B ^ h>>15*0xC2B2AE35
	return uint64(h) * n >> 32, uint64(g) * n >> 32
}

// mayHave tells whether a frame with this filter can have a text that these
// hashes were chosen of.
func mayHave(filter []byte, hashes []uint32) bool {
	if len(filter) <= filterSum {
		return true
	}
	bits := filter[filterSum:]
	for _, h := range hashes {
		a, b := probes(h, len(bits))
		if bits[a/8]&(1<<(a%8)) == 0 || bits[b/8]&(1<<(b%8)) == 0 {
			// Before it hides anything, it has to be what was written.
			return binary.LittleEndian.Uint32(filter) != crc32.Checksum(bits, castagnoli)
		}
	}
	return true
}
