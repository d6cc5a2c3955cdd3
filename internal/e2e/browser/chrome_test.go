package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// chrome is a running browser; each of its tabs is a screen of its own.
type chrome struct {
	t   testing.TB
	ctx context.Context
}

func newChrome(t testing.TB, more ...chromedp.ExecAllocatorOption) *chrome {
	t.Helper()
	dir := t.TempDir()
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium.Path), chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Env(append(chromium.Env(), "FONTCONFIG_FILE="+fontConfig(t, dir), "HOME="+dir, "TZ=UTC")...),
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-extensions", true),
		chromedp.Flag("hide-scrollbars", false), chromedp.Flag("enable-precise-memory-info", true),
		chromedp.Flag("js-flags", "--expose-gc"), chromedp.Flag("lang", "en-US"),
		chromedp.WSURLReadTimeout(patience),
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), append(opts, more...)...)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		closeBrowser()
		cancel()
	})
	require.NoError(t, chromedp.Do(ctx))
	return &chrome{t, ctx}
}

// fontConfig names the system's fonts and those that came with Chromium.
func fontConfig(t testing.TB, dir string) string {
	t.Helper()
	cache, err := peers.Cache()
	require.NoError(t, err)
	path := filepath.Join(dir, "fonts.conf")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts</dir><dir>%s/chromium/usr/share/fonts</dir><cachedir>%s/fonts</cachedir>
<alias><family>system-ui</family><prefer><family>Noto Sans</family><family>DejaVu Sans</family></prefer></alias>
<alias><family>ui-monospace</family><prefer><family>Noto Sans Mono</family><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>`, cache, dir), 0o644))
	return path
}

// screen is what a tab looks like.
type screen struct {
	width, height int64
	theme         string // "light" or "dark"
}

var wide = screen{1600, 1000, "light"}

// A tab is one page in the browser. Whatever the console or the page's policy
// complains about fails the test.
type tab struct {
	t      testing.TB
	ctx    context.Context
	daemon *daemon
	url    string // of dalogd

	complaints chan string
}

func (c *chrome) tab(t testing.TB, d *daemon, s screen) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx)
	ctx, cancelTime := context.WithTimeout(ctx, *followFor+20*time.Minute)
	b := &tab{t: t, ctx: ctx, daemon: d, url: d.url, complaints: make(chan string, 100)}
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(s.width, s.height, mobile(s))))
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.theme}},
	})
	require.NoError(t, err)
	go b.listen()
	t.Cleanup(func() {
		if t.Failed() {
			b.keepShot()
		}
		cancelTime()
		cancel()
		for len(b.complaints) > 0 {
			t.Errorf("the browser complains: %s", <-b.complaints)
		}
	})
	return b
}

func mobile(s screen) chromedp.EmulateViewportOption {
	return func(metrics *emulation.SetDeviceMetricsOverrideParams, touch *emulation.SetTouchEmulationEnabledParams) {
		metrics.Mobile, touch.Enabled = s.width < 500, s.width < 500
	}
}

// listen keeps what the console says.
func (b *tab) listen() {
	for m, err := range chromedp.Console(b.ctx) {
		if err != nil {
			return // the tab is closed
		}
		// That an answer was an error is the page's business.
		if m.Source == "network" || m.Type != chromedp.ConsoleError && m.Type != chromedp.ConsoleException {
			continue
		}
		select {
		case b.complaints <- m.String() + " " + m.URL:
		default:
		}
	}
}

// run does actions, or fails.
func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("in the browser: %v\nthe page shows: %.1500s", err, b.text())
	}
}

// open goes to a page of dalogd.
func (b *tab) open(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate(b.url + path))
}

// eval gives the value of a JavaScript expression, a promise's too.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("in the browser: %s: %v", expression, err)
	}
	return value
}

// wait polls until the expression is true. That it cannot be evaluated while the
// tab goes from one page to the next is no failure.
func (b *tab) wait(expression string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		reached, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Promise.resolve("+expression+").then(Boolean)", chromedp.EvalAwaitPromise))
		cancel()
		if reached {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain for %s (%v)\nthe page shows: %.1500s", expression, err, b.text())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// waitLines waits until lines are shown.
func (b *tab) waitLines() {
	b.t.Helper()
	b.wait(`document.querySelectorAll(".row").length > 0`)
}

func (b *tab) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return text
}

// count is how many elements there are.
func (b *tab) count(selector string) int {
	b.t.Helper()
	return eval[int](b, fmt.Sprintf("document.querySelectorAll(%q).length", selector))
}

// keys types, as a person does.
func (b *tab) keys(keys string) {
	b.t.Helper()
	b.run(chromedp.KeyEvent(keys))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.run(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// shot writes what the tab shows.
func (b *tab) shot(path string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	require.NoError(b.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(b.t, os.WriteFile(path, png, 0o644))
}

// look keeps what the tab shows where -shots says, for somebody to look at.
func (b *tab) look(name string) {
	b.t.Helper()
	if *shots != "" {
		b.shot(filepath.Join(*shots, name+".png"))
	}
}

// keepShot keeps what a failed test saw.
func (b *tab) keepShot() {
	dir := *shots
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "dalog-browser-failed-"); err != nil {
			b.t.Log(err)
			return
		}
	}
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	path := filepath.Join(dir, strings.NewReplacer("/", "-", " ", "_").Replace(b.t.Name())+".png")
	if err == nil {
		err = os.WriteFile(path, png, 0o644)
	}
	if err != nil {
		b.t.Log("no screenshot:", err)
		return
	}
	b.t.Log("screenshot:", path)
}

// picture makes one of the pictures in docs/.
func (b *tab) picture(name string) {
	b.t.Helper()
	root, err := peers.ModuleRoot()
	require.NoError(b.t, err)
	b.shot(filepath.Join(root, "docs", "page-"+name+".png"))
}
