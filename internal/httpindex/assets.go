package httpindex

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

// assetsPath is where styles and scripts lie. It is no name of a file: those
// hold no slash. Behind it stands their version, so that they may be kept for
// ever, and that scripts, which name each other relatively, are all of one.
const assetsPath = "/-/assets/"

// An asset is a fixed answer.
type asset struct {
	contentType string
	tag         string
	body        []byte
}

var (
	icon   = mustAsset("assets/icon.svg")
	robots = mustAsset("assets/robots.txt")

	pageAssets, assetsVersion = mustAssets("assets/css", "assets/js")
)

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".txt": textType,
}

func mustAsset(name string) asset {
	body, err := assets.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded: the build is wrong
	}
	sum := sha256.Sum256(body)
	return asset{contentType: assetTypes[path.Ext(name)], tag: hex.EncodeToString(sum[:6]), body: body}
}

// mustAssets reads all assets below the folders, by their paths in "assets",
// and gives the version of the whole.
func mustAssets(folders ...string) (map[string]asset, string) {
	all := map[string]asset{}
	version := sha256.New()
	for _, folder := range folders {
		err := fs.WalkDir(assets, folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			a := mustAsset(name)
			all[strings.TrimPrefix(name, "assets/")] = a
			version.Write([]byte(name + a.tag))
			return nil
		})
		if err != nil {
			panic(err)
		}
	}
	return all, hex.EncodeToString(version.Sum(nil)[:6])
}

// pageAsset answers GET /-/assets/VERSION/NAME. Another version than the
// present one is that of a page from before an update: it gets what there is,
// and is not to keep it.
func (h *Handler) pageAsset(w http.ResponseWriter, r *http.Request) int {
	version, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, assetsPath), "/")
	a, ok := pageAssets[name]
	if !ok {
		return notFound(w, r)
	}
	return a.serve(w, r, version == assetsVersion)
}

func serveAsset(a asset) page {
	return func(w http.ResponseWriter, r *http.Request) int { return a.serve(w, r, false) }
}

func (a asset) serve(w http.ResponseWriter, r *http.Request, forEver bool) int {
	header := w.Header()
	header.Set("Content-Type", a.contentType)
	header.Set("ETag", `"`+a.tag+`"`)
	if forEver {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		header.Set("Cache-Control", "no-cache")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
	return sentStatus(header)
}
