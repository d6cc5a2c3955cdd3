package httpindex

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// zipArchive is a ZIP file, whose members have their sizes behind them.
type zipArchive struct{ *zip.Writer }

func newZip(w io.Writer) zipArchive {
	z := zip.NewWriter(w)
	var packed *flate.Writer // one for all members, which follow each other
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (_ io.WriteCloser, err error) {
		if packed == nil {
			packed, err = flate.NewWriter(w, flate.BestSpeed)
		} else {
			packed.Reset(w)
		}
		return packed, err
	})
	return zipArchive{z}
}

func (z zipArchive) add(name string, _ int64, modified time.Time) (io.Writer, error) {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: modified}
	h.SetMode(0o644)
	return z.CreateHeader(h)
}

func (z zipArchive) wantsSize() bool { return false }
func (z zipArchive) close() error    { return z.Close() }

// tarArchive is a tar file, compressed, whose members have their sizes in
// front.
type tarArchive struct {
	*tar.Writer
	packed *zstd.Encoder
}

func newTar(w io.Writer) (tarArchive, error) {
	packed, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<20))
	return tarArchive{tar.NewWriter(packed), packed}, err
}

func (t tarArchive) add(name string, size int64, modified time.Time) (io.Writer, error) {
	return t, t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: modified.Truncate(time.Second)})
}

func (t tarArchive) wantsSize() bool { return true }

func (t tarArchive) close() error {
	if err := t.Close(); err != nil {
		return err
	}
	return t.packed.Close()
}

// A patientWriter sends an answer of any length, as long as the client takes
// it: it may keep the server waiting for answerTimeout, and more as it takes more.
type patientWriter struct {
	*bufio.Writer
	conn patience
}

type patience struct {
	w       http.ResponseWriter
	control *http.ResponseController
	left    time.Duration // that writing may take
	sent    int64
}

func newPatientWriter(w http.ResponseWriter) *patientWriter {
	p := &patientWriter{conn: patience{w: w, control: http.NewResponseController(w), left: answerTimeout}}
	p.Writer = bufio.NewWriterSize(&p.conn, copyBuffer)
	return p
}

func (p *patience) Write(b []byte) (int, error) {
	if p.left <= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	begin := time.Now()
	setDeadline(p.control, p.left)
	n, err := p.w.Write(b)
	setDeadline(p.control, lookTimeout)
	p.sent += int64(n)
	p.left += time.Duration(n)*time.Second/minSendRate - time.Since(begin)
	p.left = min(p.left, 2*answerTimeout)
	return n, err
}
