// Package browser drives the pages of a running dalogd in a real Chromium.
//
// scripts/peers.sh browser brings Chromium; without it the tests are left out,
// and say so. By default there is only a short look; with -full, as `make
// browser` runs them, each point of docs/page-tasks.md and of the page's promise,
// in both themes and on narrow and wide screens. A failure leaves a screenshot
// and says where.
package browser
