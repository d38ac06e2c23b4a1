package solvemesh

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	solvemeshv1 "github.com/solvemesh/solvemesh/client/go/solvemesh/v1"
)

// Result is the result of a job. Proofs, statistics and the check of the solution are in the
// embedded message; its solution is whole, even if it arrived in parts.
type Result struct {
	*solvemeshv1.SolveResult
	// JobID is the id of the job.
	JobID string
	// State is SUCCEEDED or CANCELLED.
	State solvemeshv1.JobState
	// Log are the lines of the solver's log, if SolveOptions.return_log asked for it.
	Log []string
}

// Reason returns how the solve ended.
func (r *Result) Reason() solvemeshv1.TerminationReason { return r.GetTermination().GetReason() }

// Objective returns the objective of the best solution; false if there is none.
func (r *Result) Objective() (float64, bool) {
	termination := r.GetTermination()
	return termination.GetObjective(), termination != nil && termination.Objective != nil
}

// Value returns the value of a variable in the best solution; false if there is none.
func (r *Result) Value(variable string) (float64, bool) {
	values := r.GetSolution().GetValues()
	for at, name := range r.GetSolution().GetVariableNames() {
		if name == variable && at < len(values) {
			return values[at], true
		}
	}
	return 0, false
}

// Assembly puts the events of one job together to its result. The zero value is empty.
type Assembly struct {
	attempt int32
	parts   []*solvemeshv1.Solution
	log     []string
}

// Add adds the next event of the job. It returns the result with the last one, and an error if the
// job failed or if events are missing.
func (a *Assembly) Add(event *solvemeshv1.JobEvent) (*Result, error) {
	if event.GetAttempt() != a.attempt {
		// The parts and the log of an attempt that died are not those of the next one.
		*a = Assembly{attempt: event.GetAttempt()}
	}
	switch kind := event.GetKind().(type) {
	case *solvemeshv1.JobEvent_SolutionPart:
		part := kind.SolutionPart
		if part.GetIndex() == 0 {
			a.parts = nil
		}
		if int(part.GetIndex()) != len(a.parts) {
			return nil, fmt.Errorf("job %s: received part %d of the solution instead of part %d",
				event.GetJobId(), part.GetIndex(), len(a.parts))
		}
		a.parts = append(a.parts, part.GetSolution())
	case *solvemeshv1.JobEvent_Log:
		a.log = append(a.log, kind.Log.GetLines()...)
		if omitted := kind.Log.GetOmittedCount(); omitted > 0 {
			a.log = append(a.log, fmt.Sprintf("(%d lines omitted)", omitted))
		}
	case *solvemeshv1.JobEvent_Finished:
		return a.finish(event.GetJobId(), kind.Finished)
	}
	return nil, nil
}

func (a *Assembly) finish(jobID string, finished *solvemeshv1.JobFinished) (*Result, error) {
	solve := finished.GetResult()
	switch {
	case solve != nil:
	case finished.GetFailure() != nil:
		failure := finished.GetFailure()
		return nil, &JobFailedError{
			JobID: jobID, State: finished.GetState(),
			Reason: failure.GetReason(), Message: failure.GetMessage(),
		}
	case finished.GetState() == solvemeshv1.JobState_JOB_STATE_CANCELLED:
		// Cancelled before a worker took it: stopped before anything was found.
		solve = &solvemeshv1.SolveResult{Termination: &solvemeshv1.Termination{
			Reason: solvemeshv1.TerminationReason_TERMINATION_REASON_NO_SOLUTION_FOUND,
			Limit:  solvemeshv1.TerminationLimit_TERMINATION_LIMIT_INTERRUPTED,
		}}
	case finished.GetSweepSummary() != nil:
		return nil, fmt.Errorf("job %s is a sweep: its results are events of Watch", jobID)
	default:
		return nil, fmt.Errorf("job %s is %s, without a result or a failure", jobID, finished.GetState())
	}
	if count := int(solve.GetSolutionPartCount()); count > 0 {
		if len(a.parts) != count {
			return nil, fmt.Errorf("job %s: received %d of %d parts of the solution", jobID, len(a.parts), count)
		}
		solution, err := join(a.parts)
		if err != nil {
			return nil, fmt.Errorf("job %s: %w", jobID, err)
		}
		solve.Solution = solution
	}
	return &Result{SolveResult: solve, JobID: jobID, State: finished.GetState(), Log: a.log}, nil
}

// join joins parts. Each continues where the one before ends.
func join(parts []*solvemeshv1.Solution) (*solvemeshv1.Solution, error) {
	whole := &solvemeshv1.Solution{}
	for at, part := range parts {
		if !follows(part.GetVariableOffset(), variables(part), variables(whole)) ||
			!follows(part.GetConstraintOffset(), constraints(part), constraints(whole)) {
			return nil, fmt.Errorf("part %d of the solution does not continue the part before", at)
		}
		// Lists are appended, and those of ranges too.
		proto.Merge(whole, part)
	}
	whole.VariableOffset, whole.ConstraintOffset = 0, 0
	n, m := variables(whole), constraints(whole)
	for _, list := range []struct {
		name       string
		size, want int
	}{
		{"variable_names", len(whole.VariableNames), n},
		{"values", len(whole.Values), n},
		{"reduced_costs", len(whole.ReducedCosts), n},
		{"constraint_names", len(whole.ConstraintNames), m},
		{"activities", len(whole.Activities), m},
		{"duals", len(whole.Duals), m},
	} {
		if list.size != 0 && list.size != list.want {
			return nil, fmt.Errorf("received %d of %d %s", list.size, list.want, list.name)
		}
	}
	return whole, nil
}

// variables is the number of variables in a solution.
func variables(s *solvemeshv1.Solution) int {
	return max(len(s.GetVariableNames()), len(s.GetValues()), len(s.GetReducedCosts()))
}

// constraints is the number of constraints in a solution.
func constraints(s *solvemeshv1.Solution) int {
	return max(len(s.GetConstraintNames()), len(s.GetActivities()), len(s.GetDuals()))
}

// follows returns whether a range starts where the one before ended. An empty one may have any
// offset.
func follows(offset int32, length, end int) bool { return length == 0 || int(offset) == end }
