package aster

// #include <aster.h>
import "C"

import (
	"context"
	"errors"
	"fmt"
)

// Code says what kind of failure an error is. It is an error itself, for errors.Is.
type Code int32

// Codes of failures; the library's table.
const (
	ErrInvalidArgument = Code(C.ASTER_ERR_INVALID_ARGUMENT)
	ErrInvalidUTF8     = Code(C.ASTER_ERR_INVALID_UTF8)
	ErrState           = Code(C.ASTER_ERR_STATE)
	ErrClosed          = Code(C.ASTER_ERR_CLOSED)
	ErrTimeout         = Code(C.ASTER_ERR_TIMEOUT)
	ErrCancelled       = Code(C.ASTER_ERR_CANCELLED)
	ErrLimit           = Code(C.ASTER_ERR_LIMIT)
	ErrUnsupported     = Code(C.ASTER_ERR_UNSUPPORTED)
	ErrForked          = Code(C.ASTER_ERR_FORKED)
	ErrInternal        = Code(C.ASTER_ERR_INTERNAL)
	ErrIO              = Code(C.ASTER_ERR_IO)
	ErrConfig          = Code(C.ASTER_ERR_CONFIG)
	ErrAddress         = Code(C.ASTER_ERR_ADDRESS)
	ErrNotFound        = Code(C.ASTER_ERR_NOT_FOUND)
	ErrAlreadyExists   = Code(C.ASTER_ERR_ALREADY_EXISTS)
	ErrConnect         = Code(C.ASTER_ERR_CONNECT)
	ErrAdmissionDenied = Code(C.ASTER_ERR_ADMISSION_DENIED)
	ErrCredential      = Code(C.ASTER_ERR_CREDENTIAL)
	ErrContract        = Code(C.ASTER_ERR_CONTRACT)
	ErrCodec           = Code(C.ASTER_ERR_CODEC)
	ErrRPC             = Code(C.ASTER_ERR_RPC)
)

// String returns the name, such as "ADDRESS".
func (c Code) String() string {
	if name := goText(C.aster_result_name(C.aster_result_t(c))); name != "" {
		return name
	}
	return fmt.Sprintf("CODE_%d", int32(c))
}

// Error returns the name.
func (c Code) Error() string { return c.String() }

// Status is the number a call ends with. It is an error itself, for errors.Is and as a handler's result.
type Status int32

// Statuses of calls; applications may use other numbers.
const (
	OK                 = Status(C.ASTER_STATUS_OK)
	Cancelled          = Status(C.ASTER_STATUS_CANCELLED)
	Unknown            = Status(C.ASTER_STATUS_UNKNOWN)
	InvalidArgument    = Status(C.ASTER_STATUS_INVALID_ARGUMENT)
	DeadlineExceeded   = Status(C.ASTER_STATUS_DEADLINE_EXCEEDED)
	NotFound           = Status(C.ASTER_STATUS_NOT_FOUND)
	AlreadyExists      = Status(C.ASTER_STATUS_ALREADY_EXISTS)
	PermissionDenied   = Status(C.ASTER_STATUS_PERMISSION_DENIED)
	ResourceExhausted  = Status(C.ASTER_STATUS_RESOURCE_EXHAUSTED)
	FailedPrecondition = Status(C.ASTER_STATUS_FAILED_PRECONDITION)
	Aborted            = Status(C.ASTER_STATUS_ABORTED)
	OutOfRange         = Status(C.ASTER_STATUS_OUT_OF_RANGE)
	Unimplemented      = Status(C.ASTER_STATUS_UNIMPLEMENTED)
	Internal           = Status(C.ASTER_STATUS_INTERNAL)
	Unavailable        = Status(C.ASTER_STATUS_UNAVAILABLE)
	DataLoss           = Status(C.ASTER_STATUS_DATA_LOSS)
	Unauthenticated    = Status(C.ASTER_STATUS_UNAUTHENTICATED)
	ContractViolation  = Status(C.ASTER_STATUS_CONTRACT_VIOLATION)
)

// noStatus is the status of an error that is none of a call.
const noStatus = Status(-1)

// String returns the name, such as "NOT_FOUND".
func (s Status) String() string {
	if name := goText(C.aster_status_name(C.int32_t(s))); name != "" {
		return name
	}
	return fmt.Sprintf("CODE_%d", int32(s))
}

// Error returns the name.
func (s Status) Error() string { return s.String() }

// Error is a failure: of the library, or of a call that ended with a status other than OK.
//
// Handlers return one to choose status, message and details.
type Error struct {
	// Code is the kind; ErrRPC for the end of a call.
	Code Code
	// Status is the status of the call, -1 if there is none.
	Status Status
	// Message is for people.
	Message string
	// Details are for programs.
	Details map[string]string

	cause error
}

// NewError makes the error of a handler that ends its call with a status.
func NewError(status Status, format string, arguments ...any) *Error {
	return &Error{Code: ErrRPC, Status: status, Message: fmt.Sprintf(format, arguments...)}
}

// Error returns status or code, and the message.
func (e *Error) Error() string {
	if e.Code == ErrRPC {
		return fmt.Sprintf("[%s] %s", e.Status, e.Message)
	}
	return fmt.Sprintf("[%s] %s", e.Code, e.Message)
}

// Unwrap returns what caused the error: the end of the context, or another error of the library.
func (e *Error) Unwrap() error { return e.cause }

// Is tells whether the error has a Status or Code.
func (e *Error) Is(target error) bool {
	switch target := target.(type) {
	case Status:
		return e.Status == target
	case Code:
		return e.Code == target
	}
	return false
}

// becauseOf makes the error match the end of its context.
func becauseOf(ctx context.Context, err error) error {
	var failure *Error
	if !errors.As(err, &failure) || failure.cause != nil {
		return err
	}
	ended := ctx.Err()
	if _, bounded := ctx.Deadline(); ended == nil && bounded && failure.Status == DeadlineExceeded {
		ended = context.DeadlineExceeded // The library's clock was first.
	}
	failure.cause = ended
	return err
}

func invalid(format string, arguments ...any) *Error {
	return &Error{Code: ErrInvalidArgument, Status: noStatus, Message: fmt.Sprintf(format, arguments...)}
}
