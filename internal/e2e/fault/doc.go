// Package fault breaks dalogd on purpose, as a process on real file systems:
// it is killed, its machine loses power, its disk is full, fails or forgets
// bits, others rotate its files and copy its folders. Senders number every line
// and note what was acknowledged; afterwards an oracle reads all files and
// accounts for every line.
package fault
