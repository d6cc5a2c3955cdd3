package relp

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeader(t *testing.T) {
	t.Parallel()
	name32 := strings.Repeat("x", 32)
	for _, c := range []struct {
		name, in string
		want     string // of the header: number, command, size
		len      int
		err      error
	}{
		{"with data", "2 syslog 43 <13>", "2 syslog 43", 12, nil},
		{"without data", "2 close 0\n", "2 close 0", 9, nil},
		{"without data, with its blank", "2 close 0 \n", "2 close 0", 10, nil},
		{"leading zeros", "01 open 006 ", "1 open 6", 12, nil},
		{"zeros for no data", "1 close 000\n", "1 close 0", 11, nil},
		{"largest", "999999999 " + name32 + " 999999999 ", "999999999 " + name32 + " 999999999", maxHeader, nil},
		{"hint", "0 serverclose 0\n", "0 serverclose 0", 15, nil},
		{"upper case", "2 SYSLOG 1 x", "2 SYSLOG 1", 11, nil},

		{"number of ten digits", "1234567890 open 0\n", "", 0, errTxnr},
		{"ten digits, more to come", "1234567890", "", 0, errTxnr},
		{"number of ten digits with zeros", "0000000001 open 0\n", "", 0, errTxnr},
		{"no number", " open 0\n", "", 0, errTxnr},
		{"negative number", "-1 open 0\n", "", 0, errTxnr},
		{"text", "hello", "", 0, errTxnr},
		{"tab behind the number", "1\topen 0\n", "", 0, errTxnr},
		{"two blanks behind the number", "1  open 0\n", "", 0, errCommand},
		{"digit in the command", "1 op3n 0\n", "", 0, errCommand},
		{"letter beyond ASCII", "1 \xf6pen 0\n", "", 0, errCommand},
		{"command of 33 letters", "1 " + name32 + "x 0\n", "", 0, errCommand},
		{"33 letters, more to come", "1 " + name32 + "x", "", 0, errCommand},
		{"nothing behind the command", "1 open\n", "", 0, errCommand},
		{"two blanks behind the command", "1 open  0\n", "", 0, errLength},
		{"no length", "2 syslog \n", "", 0, errLength},
		{"length of ten digits", "2 syslog 1234567890 ", "", 0, errLength},
		{"ten digits of length, more to come", "2 syslog 0000000000", "", 0, errLength},
		{"no blank in front of the data", "2 syslog 1x\n", "", 0, errLength},
		{"no data where a length says so", "2 syslog 1\n", "", 0, errLength},
		{"CR in front of the LF", "2 close 0\r\n", "", 0, errLength},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var h header
			for n := range len(c.in) {
				whole, err := h.parse([]byte(c.in[:n]))
				if c.err == nil && n < c.len || c.err != nil && err == nil {
					require.False(t, whole, "%q", c.in[:n])
					require.NoError(t, err, "%q", c.in[:n])
				}
			}
			whole, err := h.parse([]byte(c.in))
			require.Equal(t, c.err, err)
			if c.err != nil {
				require.ErrorIs(t, err, ErrFrame)
				return
			}
			require.True(t, whole)
			require.Equal(t, c.want, string(appendHeader(nil, h.txnr, string(h.command), h.size))[:len(c.want)])
			require.Equal(t, c.len, h.len)
		})
	}
}

func TestAppendFrame(t *testing.T) {
	t.Parallel()
	require.Equal(t, "406 close 0\n", string(appendFrame(nil, 406, "close", nil)))
	require.Equal(t, "x2 rsp 6 200 OK\n", string(appendFrame([]byte("x"), 2, "rsp", []byte("200 OK"))))
	require.Equal(t, "999999999 syslog 2 \n\x00\n", string(appendFrame(nil, maxTxnr, "syslog", []byte("\n\x00"))))
}

func TestCutter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		keep     int
		want     []string // data of the frames
		rest     string
		err      error
	}{
		{"LF and NUL in data", "1 a 3 \n\x00\n\n2 b 1 x\n", 99, []string{"\n\x00\n", "x"}, "", nil},
		{"unfinished", "1 a 3 abc", 99, nil, "1 a 3 abc", nil},
		{"longer than kept", "1 a 6 abcdef\n2 a 4 ghij\n3 a 3 klm\n", 3, []string{"abc", "ghi", "klm"}, "", nil},
		{"longer than kept, unfinished", "1 a 6 abcdef", 3, nil, "1 a 6 abc", nil},
		{"nothing kept", "1 a 6 abcdef\n2 a 0\n", 0, []string{"", ""}, "", nil},
		{"no LF at the end", "1 a 3 abcd\n", 99, nil, "", errEnd},
		{"CR at the end", "1 a 3 abc\r\n", 99, nil, "", errEnd},
		{"no LF behind what is not kept", "1 a 6 abcdefg\n", 3, nil, "", errEnd},
		{"no LF behind no data", "1 a 0 x\n", 99, nil, "", errEnd},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, cut := range cuts(len(c.in)) {
				var k cutter
				var got []string
				var err error
				var buf []byte
				in := c.in
			input:
				for _, n := range cut {
					buf = append(buf, in[:n]...)
					in = in[n:]
					for {
						var h header
						var whole bool
						whole, err = h.parse(buf)
						require.NoError(t, err)
						if !whole {
							break
						}
						var data []byte
						data, buf, whole, err = k.cut(buf, &h, min(c.keep, h.size))
						if err != nil {
							break input
						}
						if !whole {
							require.LessOrEqual(t, len(buf), h.len+min(c.keep, h.size))
							break
						}
						got = append(got, string(data))
					}
				}
				require.Equal(t, c.err, err)
				require.Equal(t, c.want, got)
				require.Equal(t, c.rest, string(buf))
			}
		})
	}
}

// cuts are ways to cut n bytes into reads: not at all, byte by byte, in two
// everywhere, and by chance.
func cuts(n int) [][]int {
	all := [][]int{{n}}
	var single []int
	for range n {
		single = append(single, 1)
	}
	all = append(all, single)
	for i := 1; i < min(n, 300); i++ {
		all = append(all, []int{i, n - i})
	}
	random := rand.New(rand.NewPCG(1, uint64(n)))
	for range 20 {
		var cut []int
		for left := n; left > 0; {
			k := 1 + random.IntN(min(left, 1+random.IntN(100)))
			cut = append(cut, k)
			left -= k
		}
		all = append(all, cut)
	}
	return all
}
