// Package access decides who reads over HTTP, and what.
//
// The promise to the caller: a request that [Guard.Handler] hands on has a
// [Reader], who is either somebody who proved a name, or comes from a network
// that needs no login; all others have been answered. What the reader may see
// is asked of it by name of file.
//
//	where the request comes from      login given     answer
//	a network that is open            none            handed on, as nobody in particular
//	an open one, or one with logins   right           handed on, under that name
//	an open one, or one with logins   wrong           401, or 429 after too many
//	one with logins                   none            401; 403 where it would travel unprotected
//	any other                         -               403
//
// Where a request comes from is the address of its connection, or, where that
// is one of the listed proxies, what the proxy says. Headers of anybody else
// can make a request less trusted, never more.
//
// Files hold who may log in: names with bcrypt hashes, as htpasswd -B writes
// them, names with SHA-256 hashes of random tokens, and the files each name may
// read. They are read again when they change; whoever lost a right by that is
// cut off.
package access
