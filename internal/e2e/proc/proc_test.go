package proc

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStop(t *testing.T) {
	t.Parallel()
	p, err := Start(exec.Command("sleep", "60"))
	require.NoError(t, err)
	peak, err := p.PeakMemory()
	require.NoError(t, err)
	require.Less(t, peak, int64(64<<20))
	require.Positive(t, peak)
	require.NoError(t, p.Stop(10*time.Second))
	require.Equal(t, -1, p.Wait())
	require.Contains(t, p.State(), "terminated")
	require.NoError(t, p.Signal(syscall.SIGTERM), "of a process that has ended")
	require.NoError(t, p.Kill(), "of a process that has ended")
}

func TestStopKillsTheStubborn(t *testing.T) {
	t.Parallel()
	// A shell that does not listen, and a child of it that would go on.
	cmd := exec.Command("sh", "-c", `trap "" TERM; sleep 60 & echo $!; wait; wait`)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	p, err := Start(cmd)
	require.NoError(t, err)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)

	require.ErrorContains(t, p.Stop(50*time.Millisecond), "has not ended")
	require.Eventually(t, func() bool { return gone(child) }, 10*time.Second, time.Millisecond)
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	p, err := Start(exec.Command("sh", "-c", "exit 7"))
	require.NoError(t, err)
	require.Equal(t, 7, p.Wait())
	_, err = Start(exec.Command("/no/such/program"))
	require.ErrorContains(t, err, "/no/such/program")
}

// The test runs itself as a process that starts another one and is killed.
func TestNothingOutlivesTheStarter(t *testing.T) {
	if os.Getenv("PROC_TEST_STARTER") != "" {
		p, err := Start(exec.Command("sleep", "60"))
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString(strconv.Itoa(p.PID()) + "\n")
		time.Sleep(time.Minute)
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingOutlivesTheStarter$")
	cmd.Env = append(os.Environ(), "PROC_TEST_STARTER=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	starter, err := Start(cmd)
	require.NoError(t, err)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	require.False(t, gone(child))

	require.NoError(t, starter.Signal(syscall.SIGKILL))
	starter.Wait()
	require.Eventually(t, func() bool { return gone(child) }, 10*time.Second, time.Millisecond)
}

// gone says whether no such process runs; one that nobody has waited for yet
// does not run either.
func gone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}
