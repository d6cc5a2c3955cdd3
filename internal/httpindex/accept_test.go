package httpindex

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNegotiate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		accept []string
		want   form
	}{
		{"no header, as httplib2", nil, formText},
		{"empty header", []string{""}, formText},
		{"curl", []string{"*/*"}, formText},
		{"Firefox", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, formHTML},
		{"Chromium", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"}, formHTML},
		{"Internet Explorer", []string{"image/gif, image/jpeg, */*"}, formText},
		{"JSON client", []string{"application/json"}, formJSON},
		{"JSON client that takes anything", []string{"application/json, */*;q=0.5"}, formJSON},
		{"axios", []string{"application/json, text/plain, */*"}, formText},
		{"JSON before text by weight", []string{"text/plain;q=0.4, application/json;q=0.5"}, formJSON},
		{"three digits of weight", []string{"text/html;q=0.501, application/json;q=0.500"}, formHTML},
		{"any text", []string{"text/*"}, formText},
		{"any text but plain", []string{"text/*, text/plain;q=0"}, formHTML},
		{"anything but text", []string{"*/*, text/*;q=0"}, formJSON},
		{"specific wins over general, order does not matter", []string{"text/html;q=0.1, */*;q=0.9, text/plain;q=0.2"}, formJSON},
		{"any application", []string{"application/*"}, formJSON},
		{"nothing that there is", []string{"image/png"}, formText},
		{"all refused", []string{"*/*;q=0"}, formText},
		{"several lines", []string{"image/png", "text/html"}, formHTML},
		{"upper case", []string{"TEXT/HTML;Q=1"}, formHTML},
		{"blanks", []string{" text/html ; q = 0.9 , text/plain ; q=0.8 "}, formHTML},
		{"charset", []string{"text/html; charset=utf-8"}, formHTML},
		{"parameter before the weight", []string{"text/html;level=1;q=0.2, application/json;q=0.3"}, formJSON},
		{"void weight", []string{"text/html;q=high"}, formText},
		{"weight over 1", []string{"text/html;q=7"}, formText},
		{"negative weight", []string{"text/html;q=-1"}, formText},
		{"weight that is no number", []string{"text/html;q=nan"}, formText},
		{"no slash", []string{"html"}, formText},
		{"half a wildcard", []string{"*/html"}, formText},
		{"commas only", []string{",,,"}, formText},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, negotiate(c.accept))
		})
	}
}

func FuzzNegotiate(f *testing.F) {
	f.Add("text/html,application/xml;q=0.9,*/*;q=0.8")
	f.Add(";q=;,/;q=1e309")
	f.Fuzz(func(t *testing.T, accept string) {
		got := negotiate([]string{accept})
		require.Contains(t, []form{formText, formHTML, formJSON}, got)
		require.Equal(t, got, negotiate([]string{accept}))
	})
}
