// Command serve measures dalogd beside nginx at what both do: the list of files
// and the download of a large one. Both are asked by the same client in turn, and the
// medians of the rounds are printed, with the processor time that the server took.
// On top of that it downloads everything as an archive, and tells dalogd's memory.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

var (
	dalogd    = flag.String("dalogd", "bin/dalogd", "the program")
	nginx     = flag.String("nginx", "", "the program; default: the one that scripts/peers.sh brought")
	rounds    = flag.Int("rounds", 5, "rounds; the medians are printed")
	size      = flag.Int64("size", 170<<20, "bytes of the large file")
	downloads = flag.Int("downloads", 10, "downloads a round")
	lists     = flag.Int("lists", 20_000, "lists a round")
	conns     = flag.Int("conns", 4, "connections that ask for lists")
	archives  = flag.Bool("archives", true, "download everything as an archive as well")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if err := run(); err != nil {
		log.Fatal("bench/serve: ", err)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "dalog-serve-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	logs := filepath.Join(dir, "log")
	if err := fill(logs); err != nil {
		return err
	}
	ours, err := startDalogd(logs)
	if err != nil {
		return err
	}
	defer ours.stop()
	peer, err := startNginx(dir, logs)
	if err != nil {
		return err
	}
	defer peer.stop()

	servers := []*server{ours, peer}
	for _, work := range []struct {
		name, unit string
		do         func(s *server) (float64, error)
	}{
		{"download", "MB/s", func(s *server) (float64, error) { return s.downloads("/big.log", *downloads) }},
		{"list", "requests/s", (*server).list},
	} {
		rates, costs := map[*server][]float64{}, map[*server][]float64{}
		for round := range *rounds {
			for i := range servers {
				s := servers[(i+round)%len(servers)] // nobody is always the first
				before := s.cpu()
				rate, err := work.do(s)
				if err != nil {
					return fmt.Errorf("%s of %s: %w", work.name, s.name, err)
				}
				rates[s] = append(rates[s], rate)
				costs[s] = append(costs[s], (s.cpu() - before).Seconds())
			}
		}
		for _, s := range servers {
			fmt.Printf("%-9s %-7s %10.0f %-10s %7.3f s CPU a round\n", work.name, s.name, median(rates[s]), work.unit, median(costs[s]))
		}
		fmt.Printf("%-9s dalogd / nginx: %.2f x the rate, %.2f x the CPU\n", work.name, median(rates[ours])/median(rates[peer]), median(costs[ours])/median(costs[peer]))
	}
	if *archives {
		for _, path := range []string{"/archive.tar.zst", "/archive.zip"} {
			before := ours.cpu()
			rate, err := ours.download(path)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			took := (ours.cpu() - before).Seconds()
			fmt.Printf("%-17s %6.0f MB/s on the wire, %.2f s CPU for %d MB of lines\n", path, rate, took, *size>>20)
		}
	}
	fmt.Printf("dalogd had at most %d MiB resident\n", ours.peak()>>20)
	return nil
}

// fill makes the log folder: docassemble's files, one of them large.
func fill(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	line := func(i int) string {
		return fmt.Sprintf("%s web%d celery[%d]: [2026-11-23 08:27:00,%03d: INFO/MainProcess] Task docassemble.webapp.worker.background_action[%08x-%04x] succeeded in %d.%03ds: None\n",
			time.Date(2026, 11, 23, 8, 0, 0, i*1000, time.UTC).Format("2006-01-02T15:04:05.000000-07:00"), i%4, 1000+i%7, i%1000, i*2654435761, i%65536, i%9, i%1000)
	}
	for _, name := range []string{"docassemble.log", "worker.log", "single_worker.log", "uwsgi.log", "websockets.log", "access.log", "error.log", "apache_access.log", "apache_error.log", "supervisor.log"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(line(1)), 0o644); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(dir, "big.log"))
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	for i, n := 0, int64(0); n < *size; i++ {
		l := line(i)
		n += int64(len(l))
		if _, err := w.WriteString(l); err != nil {
			return err
		}
	}
	return w.Flush()
}

// server is one of the two.
type server struct {
	name, addr string
	cmd        *exec.Cmd
	pids       []int // whose processor time counts
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func startDalogd(logs string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	args := []string{"--log-dir", logs, "--http", addr, "--syslog", "127.0.0.1:0", "--rotate-size", "0", "--rotate-every", "never", "--log-level", "error"}
	if os.Geteuid() == 0 {
		args = append(args, "--user", "root") // whose files these are
	}
	cmd := exec.Command(*dalogd, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{name: "dalogd", addr: addr, cmd: cmd, pids: []int{cmd.Process.Pid}}
	return s, s.await()
}

func startNginx(dir, logs string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/nginx.pid; error_log %[1]s/error; user root;
events { worker_connections 1024; }
http {
	access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type text/plain;
	client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	server { listen %[2]s; root %[3]s; autoindex on; autoindex_format json; }
}
`, dir, addr, logs)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	program := &peers.Peer{Path: *nginx}
	if *nginx == "" {
		if program, err = peers.Find("nginx"); err != nil {
			return nil, err
		}
	}
	cmd := program.Command("-c", conf, "-e", filepath.Join(dir, "error"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{name: "nginx", addr: addr, cmd: cmd}
	if err := s.await(); err != nil {
		return s, err
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	if err != nil {
		return s, err
	}
	for _, word := range strings.Fields(string(children)) {
		var pid int
		if _, err := fmt.Sscan(word, &pid); err != nil {
			return s, err
		}
		s.pids = append(s.pids, pid)
	}
	return s, nil
}

func (s *server) await() error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get("http://" + s.addr + "/")
		if err == nil {
			resp.Body.Close()
			return nil
		}
		if time.Now().After(deadline) {
			s.stop()
			return fmt.Errorf("%s does not answer: %w", s.name, err)
		}
	}
}

// cpu is the processor time that the server has taken.
func (s *server) cpu() (sum time.Duration) {
	for _, pid := range s.pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		var user, system int64
		fmt.Sscan(fields[11], &user)
		fmt.Sscan(fields[12], &system)
		sum += time.Duration(user+system) * 10 * time.Millisecond
	}
	return sum
}

// peak is the most that the server had resident.
func (s *server) peak() (kb int64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pids[0]))
	if _, rest, ok := strings.Cut(string(text), "VmHWM:"); ok {
		fmt.Sscan(rest, &kb)
	}
	return kb << 10
}

// downloads is download several times, since a single one takes 50 ms, and gives
// the rate of all together.
func (s *server) downloads(path string, times int) (float64, error) {
	seconds := 0.0 // for one MB each time
	for range times {
		rate, err := s.download(path)
		if err != nil {
			return 0, err
		}
		seconds += 1 / rate
	}
	return float64(times) / seconds, nil
}

// download gets a path and gives the rate in MB/s. What arrives is dropped in
// the kernel, so that the client costs little.
func (s *server) download(path string) (float64, error) {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	begin := time.Now()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path); err != nil {
		return 0, err
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	total := int64(0)
	first := make([]byte, 15) // of the status line
	if _, err := io.ReadFull(conn, first); err != nil || !strings.Contains(string(first), " 200 ") {
		return 0, fmt.Errorf("answer %q: %v", first, err)
	}
	buf := make([]byte, 4<<20)
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, _, err := syscall.Recvfrom(int(fd), buf, syscall.MSG_TRUNC|syscall.MSG_DONTWAIT)
			switch {
			case err == syscall.EAGAIN:
				return false
			case err == syscall.EINTR:
				continue
			case err != nil:
				failed = err
				return true
			case n == 0:
				return true
			}
			total += int64(n)
		}
	})
	if err := errors.Join(err, failed); err != nil {
		return 0, err
	}
	if path == "/big.log" && total < *size {
		return 0, fmt.Errorf("%d bytes came", total)
	}
	return float64(total) / 1e6 / time.Since(begin).Seconds(), nil
}

// list asks for the list on several connections and gives the rate.
func (s *server) list() (float64, error) {
	var group sync.WaitGroup
	failed := make(chan error, *conns)
	begin := time.Now()
	for range *conns {
		group.Go(func() {
			if err := s.lists(*lists / *conns); err != nil {
				failed <- err
			}
		})
	}
	group.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
		return float64(*lists) / time.Since(begin).Seconds(), nil
	}
}

func (s *server) lists(n int) error {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	request := []byte("GET /?format=json HTTP/1.1\r\nHost: x\r\n\r\n")
	in := bufio.NewReaderSize(conn, 64<<10)
	for range n {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		if resp.StatusCode != 200 {
			return errors.New(resp.Status)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
	}
	return nil
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
