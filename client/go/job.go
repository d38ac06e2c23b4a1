package solvemesh

import (
	"context"

	solvemeshv1 "github.com/solvemesh/solvemesh/client/go/solvemesh/v1"
)

// Job is the handle of a job. Any process that knows the id can make one, with [Client.Job].
type Job struct {
	// ID is the id that the mesh assigned.
	ID     string
	client *Client
}

// Watch returns the events of the job: those after a token of [Watch.ResumeToken], or all of them
// if the token is empty. The watch ends with ctx, which leaves the job running.
func (j *Job) Watch(ctx context.Context, resumeToken string) *Watch {
	return newWatch(ctx, j.client, &solvemeshv1.WatchResultsRequest{
		JobIds: []string{j.ID}, ResumeToken: resumeToken,
	})
}

// Result waits for the end of the job, and returns its result. It may be called again. If ctx ends
// first, the job is left running.
func (j *Job) Result(ctx context.Context) (*Result, error) {
	watch := j.Watch(ctx, "")
	defer watch.Close()
	// Of the others, there may be many.
	watch.request.Kinds = []solvemeshv1.JobEventKind{
		solvemeshv1.JobEventKind_JOB_EVENT_KIND_SOLUTION_PART,
		solvemeshv1.JobEventKind_JOB_EVENT_KIND_LOG,
	}
	assembly := Assembly{}
	for watch.Next() {
		if result, err := assembly.Add(watch.Event()); result != nil || err != nil {
			return result, err
		}
	}
	return nil, watch.Err()
}

// Cancel cancels the job if it is queued, and asks it to stop with its best solution if it is
// running. It has no effect on a job that has finished.
func (j *Job) Cancel(ctx context.Context) error {
	_, err := retrying(ctx, j.client.retry, func(ctx context.Context) (*solvemeshv1.CancelJobResponse, error) {
		return j.client.service.CancelJob(ctx, &solvemeshv1.CancelJobRequest{JobId: j.ID})
	})
	return err
}

// Info returns what the mesh knows of the job, in a view.
func (j *Job) Info(ctx context.Context, view solvemeshv1.JobView) (*solvemeshv1.Job, error) {
	response, err := retrying(ctx, j.client.retry, func(ctx context.Context) (*solvemeshv1.GetJobResponse, error) {
		return j.client.service.GetJob(ctx, &solvemeshv1.GetJobRequest{JobId: j.ID, View: view})
	})
	return response.GetJob(), err
}
