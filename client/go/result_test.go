package solvemesh

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	solvemeshv1 "github.com/solvemesh/solvemesh/client/go/solvemesh/v1"
)

func part(attempt, index, offset int32, values ...float64) *solvemeshv1.JobEvent {
	solution := &solvemeshv1.Solution{VariableOffset: offset, Values: values, ReducedCosts: values}
	return &solvemeshv1.JobEvent{JobId: "j", Attempt: attempt, Kind: &solvemeshv1.JobEvent_SolutionPart{
		SolutionPart: &solvemeshv1.SolutionPart{Index: index, Count: 2, Solution: solution},
	}}
}

func finished(attempt, parts int32) *solvemeshv1.JobEvent {
	result := &solvemeshv1.SolveResult{SolutionPartCount: parts}
	return &solvemeshv1.JobEvent{JobId: "j", Attempt: attempt, Kind: &solvemeshv1.JobEvent_Finished{
		Finished: &solvemeshv1.JobFinished{State: solvemeshv1.JobState_JOB_STATE_SUCCEEDED, Result: result},
	}}
}

func assemble(events ...*solvemeshv1.JobEvent) (*Result, error) {
	assembly := Assembly{}
	for _, event := range events {
		if result, err := assembly.Add(event); result != nil || err != nil {
			return result, err
		}
	}
	return nil, nil
}

func TestPartsAreJoinedAndThoseOfADeadAttemptDropped(t *testing.T) {
	result, err := assemble(part(1, 0, 0, 9), part(2, 0, 0, 1, 2), part(2, 1, 2, 3), finished(2, 2))
	if err != nil {
		t.Fatal(err)
	}
	solution := result.GetSolution()
	want := []float64{1, 2, 3}
	if !slices.Equal(solution.Values, want) || !slices.Equal(solution.ReducedCosts, want) || solution.VariableOffset != 0 {
		t.Errorf("the solution is %v", solution)
	}
}

func TestPartsThatAreMissingAreAnError(t *testing.T) {
	for want, events := range map[string][]*solvemeshv1.JobEvent{
		"received 1 of 2 parts":     {part(1, 0, 0, 1), finished(1, 2)},
		"received part 1":           {part(1, 1, 0, 1)},
		"part 1 of the solution do": {part(1, 0, 0, 1), part(1, 1, 2, 3), finished(1, 2)},
	} {
		if _, err := assemble(events...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, not %q", err, want)
		}
	}
}

func TestPausesDoubleUpToTheMaximumAndAreNeverShorterThanAsked(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 5: 1600 * time.Millisecond,
		6: 2 * time.Second, 1 << 30: 2 * time.Second,
	} {
		if pause := DefaultRetry.backoff(failures, 0, 1); pause != want {
			t.Errorf("the pause after %d failures is %s, not %s", failures, pause, want)
		}
	}
	if pause := DefaultRetry.backoff(1, 0, 0); pause != 50*time.Millisecond {
		t.Errorf("the shortest pause is %s", pause)
	}
	if pause := DefaultRetry.backoff(1, 7*time.Second, 0.5); pause != 7*time.Second {
		t.Errorf("the pause is %s, not the 7 s that were asked for", pause)
	}
}

func TestFailuresThatAreFinalAreReturnedAtOnce(t *testing.T) {
	if err := newTries(DefaultRetry).failed(t.Context(), status.Error(codes.NotFound, "no such job")); err == nil {
		t.Error("NOT_FOUND is tried again")
	}
	if err := newTries(DefaultRetry).failed(t.Context(), status.Error(codes.Unavailable, "restart")); err != nil {
		t.Errorf("UNAVAILABLE is final: %v", err)
	}
}
