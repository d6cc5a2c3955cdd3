// Package control lets the commands of a program tell the running one what to do,
// and ask it how it is: over a socket in its state folder, which only who may enter
// that folder reaches. A line with a command and its words is answered by a line
// with "ok", or the reason why not, and what the command gives behind that.
package control
