package peers

import (
	"os"
	"testing"
)

// Lacking leaves a test out that cannot be run here, and says what it lacks. With
// CI=true that is a failure: continuous integration may not overlook it.
func Lacking(t testing.TB, what ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what...)
	}
	t.Skip(what...)
}

// NeedRoot leaves a test out that only root can run.
func NeedRoot(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Lacking(t, "only root can "+why+": run the test as root")
	}
}
