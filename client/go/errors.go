package solvemesh

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	solvemeshv1 "github.com/solvemesh/solvemesh/client/go/solvemesh/v1"
)

// Error is a call that failed: the gateway refused it, or could not be reached.
type Error struct {
	// Code is the code of gRPC.
	Code codes.Code
	// Message is for display only.
	Message string
	// Reason is a stable name in UPPER_SNAKE_CASE; docs/errors.md lists them.
	Reason string
	// Metadata belongs to the reason, such as "line" and "column" of an error in a text.
	Metadata map[string]string
	// Violations are the fields at fault.
	Violations []Violation
	// RetryAfter is how long the gateway asks to wait before a retry.
	RetryAfter time.Duration

	cause error
}

// Violation is a field that is not valid.
type Violation struct {
	// Field is its path: "options.time_limit".
	Field string
	// Description says what is wrong with it.
	Description string
}

func newError(err error) *Error {
	s := status.Convert(err)
	failure := &Error{Code: s.Code(), Message: s.Message(), cause: err}
	for _, detail := range s.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			failure.Reason, failure.Metadata = detail.GetReason(), detail.GetMetadata()
		case *errdetails.RetryInfo:
			failure.RetryAfter = detail.GetRetryDelay().AsDuration()
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				failure.Violations = append(failure.Violations, Violation{
					Field: violation.GetField(), Description: violation.GetDescription(),
				})
			}
		}
	}
	return failure
}

// Transient returns whether a later try may succeed.
func (e *Error) Transient() bool {
	switch e.Code {
	case codes.Unavailable, codes.Unknown, codes.Aborted, codes.Canceled, codes.DeadlineExceeded:
		return true
	case codes.Internal:
		// gRPC reports a stream that the peer reset in this way.
		return strings.Contains(e.Message, "RST_STREAM")
	default:
		return e.RetryAfter > 0
	}
}

func (e *Error) Error() string {
	message := e.Message
	for _, violation := range e.Violations {
		if !strings.Contains(message, violation.Description) {
			message += fmt.Sprintf("; %s: %s", violation.Field, violation.Description)
		}
	}
	if e.Reason != "" {
		message += " (" + e.Reason + ")"
	}
	return message
}

// Unwrap returns the error of gRPC, so that status.FromError works.
func (e *Error) Unwrap() error { return e.cause }

// JobFailedError is a job that ended without a result: FAILED or EXPIRED. It says nothing about the
// model.
type JobFailedError struct {
	// JobID is the id of the job.
	JobID string
	// State is FAILED or EXPIRED.
	State solvemeshv1.JobState
	// Reason is a stable name, such as SOLVER_CRASHED.
	Reason string
	// Message is for display only.
	Message string
}

func (e *JobFailedError) Error() string {
	return fmt.Sprintf("job %s failed: %s (%s)", e.JobID, e.Message, e.Reason)
}
