package relp

import "errors"

// Why a session ended. The errors returned wrap these and say more.
var (
	// ErrFrame: the peer sent something that is no frame.
	ErrFrame = errors.New("relp: malformed frame")
	// ErrSequence: the transaction number is not the one that was due.
	ErrSequence = errors.New("relp: transaction number out of sequence")
	// ErrCommand: the command is not known, was not agreed on, or is not
	// allowed at this point of a session.
	ErrCommand = errors.New("relp: unexpected command")
	// ErrTooLarge: a frame is larger than the hard limit for its command.
	ErrTooLarge = errors.New("relp: frame too large")
	// ErrOffers: the two sides have nothing in common to work with.
	ErrOffers = errors.New("relp: offers not acceptable")
	// ErrUnread: the client sends command after command and does not read the
	// answers.
	ErrUnread = errors.New("relp: too many answers not read by the peer")

	// ErrRefused: the server answered "open" with another code than 200.
	ErrRefused = errors.New("relp: session refused by the server")
	// ErrRejected: the server answered a message with another code than 200.
	ErrRejected = errors.New("relp: message rejected by the server")
	// ErrAnswer: the server answered what was not asked, or twice, or not in
	// the form of an answer.
	ErrAnswer = errors.New("relp: unexpected answer")
	// ErrServerClosed: the server ended the session or the connection.
	ErrServerClosed = errors.New("relp: session ended by the server")
	// ErrTimeout: commands wait for an answer and none came for too long.
	ErrTimeout = errors.New("relp: no answer within the time limit")
	// ErrClosed: Close was called, and the server has answered everything.
	ErrClosed = errors.New("relp: session closed")
	// ErrAborted: Abort was called.
	ErrAborted = errors.New("relp: session aborted")
	// ErrExhausted: all transaction numbers are used; a new session is needed.
	ErrExhausted = errors.New("relp: no transaction numbers left in this session")
)
