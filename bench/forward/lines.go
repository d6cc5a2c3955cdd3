package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

var words = strings.Fields(`answer block button cache choice clause clerk court deadline document draft field
	filing form hearing index interview ledger letter lookup matter notice package party queue record request
	review script section session signature status task template tenant upload variable worker`)

// writeLines makes a log file of n lines such as an app server writes, about 238
// bytes each, and always the same ones.
func writeLines(path string, n int) (size int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(1, 1))
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for i := range n {
		at = at.Add(time.Duration(r.IntN(2000)) * time.Microsecond)
		k, err := fmt.Fprintf(w, "%s docassemble: ip=10.0.%d.%d i=docassemble.forms:data/questions/form%02d.yml uid=%08x user=user%03d@example.org seq=%09d",
			at.Format("2006-01-02 15:04:05,000"), r.IntN(8), r.IntN(256), r.IntN(100), r.Uint32(), r.IntN(1000), i)
		if err != nil {
			return 0, err
		}
		size += int64(k) + 1
		for k < 230 {
			word := words[r.IntN(len(words))]
			w.WriteByte(' ')
			w.WriteString(word)
			k += 1 + len(word)
			size += int64(1 + len(word))
		}
		w.WriteByte('\n')
	}
	return size, w.Flush()
}
