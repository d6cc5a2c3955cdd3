// Package main makes what dalog is delivered as: static binaries for linux,
// archives of them with their documents, Debian and RPM packages, and a list of
// checksums. Everything in it follows from the checkout and the version, so two
// runs give the same bytes.
//
// It is a module of its own, because what it needs is much and dalog itself needs
// none of it.
package main
