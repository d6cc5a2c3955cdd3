// Package browser drives the pages of a running dalogd in a real Chromium.
//
// scripts/peers.sh brings Chromium; without it the tests are left out, and say
// so, except with CI=true. `make test` runs TestSmoke, once through the pages;
// with -full, as `make browser` runs them, the tests go through each point of
// docs/page-tasks.md and of the page's promise, in both themes and on narrow and
// wide screens. A failure leaves a screenshot and says where.
package browser
