package solvemesh

import (
	"context"
	"math/rand/v2"
	"time"
)

// Retry is exponential backoff with jitter, within a budget of time. The budget is a time and not a
// number of tries, because a try may fail at once or last for long.
type Retry struct {
	// Budget is the time of all tries of a call, and of a watch that has not received anything.
	Budget time.Duration
	// StreamBudget is that of a watch whose stream broke: enough for the restart of a gateway.
	StreamBudget time.Duration
	// InitialBackoff is the pause after the first failure; it doubles with each further one.
	InitialBackoff time.Duration
	// MaxBackoff is the longest pause, unless the gateway asks for a longer one.
	MaxBackoff time.Duration
}

// DefaultRetry is the retry policy of a [Client] without [WithRetry].
var DefaultRetry = Retry{
	Budget:         15 * time.Second,
	StreamBudget:   60 * time.Second,
	InitialBackoff: 100 * time.Millisecond,
	MaxBackoff:     2 * time.Second,
}

// minCallTimeout is the least time that a try gets, whatever is left of the budget: a large model
// takes long to send.
const minCallTimeout = 60 * time.Second

// backoff is the pause after a number of failures; jitter, in [0, 1), spreads the retries of
// clients that failed at the same time.
func (r Retry) backoff(failures int, asked time.Duration, jitter float64) time.Duration {
	pause := r.InitialBackoff
	for range min(failures-1, 31) {
		if pause >= r.MaxBackoff {
			break
		}
		pause *= 2
	}
	pause = min(pause, r.MaxBackoff)
	return max(time.Duration(float64(pause)*(0.5+jitter/2)), asked)
}

// tries are the tries of one call or one watch.
type tries struct {
	retry    Retry
	budget   time.Duration
	since    time.Time
	failures int
}

func newTries(retry Retry) *tries {
	return &tries{retry: retry, budget: retry.Budget, since: time.Now()}
}

// progressed gives the budget of a stream that has worked.
func (t *tries) progressed() {
	t.budget, t.since, t.failures = t.retry.StreamBudget, time.Now(), 0
}

func (t *tries) remaining() time.Duration { return t.budget - time.Since(t.since) }

// failed waits for the next try. It returns the error if there is none: the failure is permanent,
// or the next try would come after the end of the budget, or ctx ends.
func (t *tries) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failure := newError(err)
	if !failure.Transient() {
		return failure
	}
	t.failures++
	pause := t.retry.backoff(t.failures, failure.RetryAfter, rand.Float64())
	if pause >= t.remaining() {
		return failure
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retrying makes a call until there is a response, or an error that is final.
func retrying[T any](ctx context.Context, retry Retry, call func(context.Context) (T, error)) (T, error) {
	t := newTries(retry)
	for {
		try, stop := context.WithTimeout(ctx, max(t.remaining(), minCallTimeout))
		response, err := call(try)
		stop()
		if err == nil {
			return response, nil
		}
		if err := t.failed(ctx, err); err != nil {
			var none T
			return none, err
		}
	}
}
