package syslogsrv

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// datagrams holds what one system call (recvmmsg(2)) receives. The buffers are
// cut from one allocation of untouched memory: a slot costs pages only as far
// as a datagram has reached into it.
type datagrams struct {
	headers []mmsghdr
	slots   [][]byte
	names   []unix.RawSockaddrAny
	control []byte
}

// mmsghdr is struct mmsghdr of the kernel: a message header and the length
// received, padded to the alignment of the header.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [unsafe.Sizeof(uintptr(0)) - 4]byte
}

// controlLen holds the one control message that is asked for: SO_RXQ_OVFL, a
// 32-bit count of the datagrams that the kernel dropped on this socket.
var controlLen = unix.CmsgSpace(4)

func newDatagrams(slots, size int) *datagrams {
	// Slots a power of two apart would all share the same lines of the cache.
	const skew = 320
	d := &datagrams{
		headers: make([]mmsghdr, slots),
		slots:   make([][]byte, slots),
		names:   make([]unix.RawSockaddrAny, slots),
		control: make([]byte, slots*controlLen),
	}
	memory := make([]byte, slots*(size+skew))
	iovecs := make([]unix.Iovec, slots)
	for i := range slots {
		d.slots[i] = memory[i*(size+skew):][:size:size]
		iovecs[i].Base = &d.slots[i][0]
		iovecs[i].SetLen(size)
		h := &d.headers[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&d.names[i]))
		h.Iov = &iovecs[i]
		h.SetIovlen(1)
		h.Control = &d.control[i*controlLen]
	}
	return d
}

// receive takes the datagrams that are here, without waiting, and returns how
// many; unix.EAGAIN says none. They stay until the next call.
func (d *datagrams) receive(fd int) (int, error) {
	for i := range d.headers { // the kernel overwrites lengths with what it used
		h := &d.headers[i].hdr
		h.Namelen = unix.SizeofSockaddrAny
		h.SetControllen(controlLen)
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(&d.headers[0])), uintptr(len(d.headers)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// datagram is the i-th of the last receive; truncated tells that it was longer
// than its slot.
func (d *datagrams) datagram(i int) (data []byte, truncated bool) {
	h := &d.headers[i]
	return d.slots[i][:h.len], h.hdr.Flags&unix.MSG_TRUNC != 0
}

// from is the sender of the i-th datagram; invalid for a local socket.
func (d *datagrams) from(i int) netip.Addr {
	switch name := &d.names[i]; name.Addr.Family {
	case unix.AF_INET:
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr)
	case unix.AF_INET6:
		return netip.AddrFrom16((*unix.RawSockaddrInet6)(unsafe.Pointer(name)).Addr).Unmap()
	}
	return netip.Addr{}
}

// dropped is the kernel's count of datagrams lost on this socket since it was
// opened, as of the i-th datagram; the count wraps at 32 bits. ok is false as
// long as nothing was lost.
func (d *datagrams) dropped(i int) (count uint32, ok bool) {
	if int(d.headers[i].hdr.Controllen) < unix.CmsgLen(4) {
		return 0, false
	}
	c := d.control[i*controlLen:]
	h := (*unix.Cmsghdr)(unsafe.Pointer(&c[0]))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SO_RXQ_OVFL {
		return 0, false
	}
	return binary.NativeEndian.Uint32(c[unix.CmsgLen(0):]), true
}
