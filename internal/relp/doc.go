// Package relp speaks RELP, the Reliable Event Logging Protocol of rsyslog,
// from both ends: as a server of any RELP client, and as a client of any RELP
// server. It knows nothing of what a message says or where it is stored.
//
// A frame is
//
//	TXNR SP COMMAND SP DATALEN [SP DATA] LF
//
// with up to 9 digits, up to 32 letters, and up to 9 digits; DATALEN counts the
// bytes of DATA, which may be any. A client numbers its commands 1, 2, 3 and so
// on; each is answered by one "rsp" frame of the same number. Number 0 is a hint
// that is not answered. A session is "open" with offers on both sides,
// "syslog" for each message, and "close"; a server that ends it says
// "serverclose" first. Where both sides offer them, there may be more commands.
//
// The server's side of a session is a [Session], fed with bytes by the
// goroutine that reads the connection, and an [Acker], which answers from
// another one what was committed meanwhile. The client's side is a [Client].
//
// RELP promises that nothing is lost as long as the sender keeps what is
// not answered: a server answers 200 to "syslog" when the message is durable
// and never anything else; a client sends again, over a new connection, what
// was not answered. So a message may arrive twice, and carries nothing that
// tells so.
package relp
