package httpindex

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"
)

// stylePath is no name of a file: those hold no slash.
const stylePath = "/-/style.css"

// An asset is a fixed answer.
type asset struct {
	contentType string
	version     string // part of the URL under which it may be kept for ever
	body        []byte
}

var (
	style  = mustAsset("assets/style.css", "text/css; charset=utf-8")
	icon   = mustAsset("assets/icon.svg", "image/svg+xml")
	robots = mustAsset("assets/robots.txt", textType)
)

func mustAsset(path, contentType string) asset {
	body, err := assets.ReadFile(path)
	if err != nil {
		panic(err) // it is embedded: the build is wrong
	}
	sum := sha256.Sum256(body)
	return asset{contentType: contentType, version: hex.EncodeToString(sum[:6]), body: body}
}

func serveAsset(a asset) page {
	return func(w http.ResponseWriter, r *http.Request) int {
		header := w.Header()
		header.Set("Content-Type", a.contentType)
		header.Set("ETag", `"`+a.version+`"`)
		if r.URL.Query().Get("v") == a.version {
			header.Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			header.Set("Cache-Control", "public, max-age=3600")
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
		return sentStatus(header)
	}
}
