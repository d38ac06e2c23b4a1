package solvemesh

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	solvemeshv1 "github.com/solvemesh/solvemesh/client/go/solvemesh/v1"
)

// silenceTimeout ends a stream without a message: gateways send heartbeats while there are no
// events, so its connection is broken.
const silenceTimeout = 120 * time.Second

var (
	errClosedEarly = status.Error(codes.Unavailable, "the gateway closed the stream early")
	errSilent      = status.Error(codes.Unavailable, "the gateway stopped sending")
)

// Watch reads the events of a job, each once and in order:
//
//	watch := job.Watch(ctx, "")
//	defer watch.Close()
//	for watch.Next() {
//		fmt.Println(watch.Event())
//	}
//	if err := watch.Err(); err != nil { … }
//
// If its stream breaks, or the gateway shuts down, it is opened again where it stopped, until the
// retry budget is used up. It is for one goroutine.
type Watch struct {
	ctx     context.Context
	client  *Client
	request *solvemeshv1.WatchResultsRequest
	// resumed is true if the caller passed a token, so that the job may have finished before it.
	resumed  bool
	tries    *tries
	stream   grpc.ServerStreamingClient[solvemeshv1.WatchResultsResponse]
	stop     context.CancelCauseFunc
	silence  *time.Timer
	opened   time.Time
	anyEvent bool
	event    *solvemeshv1.JobEvent
	err      error
	ended    bool
}

func newWatch(ctx context.Context, client *Client, request *solvemeshv1.WatchResultsRequest) *Watch {
	return &Watch{
		ctx: ctx, client: client, request: request,
		resumed: request.ResumeToken != "", tries: newTries(client.retry),
	}
}

// Next waits for the next event. It returns false when the job has finished, and after an error.
func (w *Watch) Next() bool {
	w.event = nil
	for !w.ended {
		response, err := w.receive()
		switch {
		case err == nil:
			if w.take(response) {
				return true
			}
		case errors.Is(err, io.EOF) && w.resumed && !w.anyEvent:
			// The job finished before the caller's token.
			w.Close()
		default:
			if errors.Is(err, io.EOF) {
				err = errClosedEarly
			}
			w.drop()
			if err := w.tries.failed(w.ctx, err); err != nil {
				w.err = err
				w.Close()
			}
		}
	}
	return false
}

// Event returns the event that the latest call of Next found.
func (w *Watch) Event() *solvemeshv1.JobEvent { return w.event }

// ResumeToken returns the position after the latest event, from which another watch can continue.
func (w *Watch) ResumeToken() string { return w.request.ResumeToken }

// Err returns why the watch ended, or nil if the job has finished.
func (w *Watch) Err() error { return w.err }

// Close ends the watch. The job goes on.
func (w *Watch) Close() {
	w.ended = true
	w.drop()
}

// receive returns the next response of the stream, which it opens if there is none.
func (w *Watch) receive() (*solvemeshv1.WatchResultsResponse, error) {
	if w.stream == nil {
		ctx, stop := context.WithCancelCause(w.ctx)
		w.stop, w.opened = stop, time.Now()
		w.silence = time.AfterFunc(silenceTimeout, func() { stop(errSilent) })
		stream, err := w.client.service.WatchResults(ctx, w.request)
		if err != nil {
			return nil, err
		}
		w.stream = stream
	}
	response, err := w.stream.Recv()
	if err != nil {
		if cause := context.Cause(w.stream.Context()); errors.Is(cause, errSilent) {
			return nil, errSilent
		}
		return nil, err
	}
	w.silence.Reset(silenceTimeout)
	return response, nil
}

// take takes a response, and returns whether it is an event.
func (w *Watch) take(response *solvemeshv1.WatchResultsResponse) bool {
	if token := response.GetResumeToken(); token != "" {
		w.request.ResumeToken = token
	}
	event := response.GetEvent()
	// A gateway that opens streams and fails at once must use up the budget.
	if event != nil || time.Since(w.opened) > w.client.retry.MaxBackoff {
		w.tries.progressed()
	}
	if event == nil {
		return false
	}
	w.anyEvent, w.event = true, event
	if event.GetFinished() != nil {
		w.Close()
	}
	return true
}

func (w *Watch) drop() {
	if w.stop != nil {
		w.silence.Stop()
		w.stop(nil)
	}
	w.stream, w.stop = nil, nil
}
