package io.github.solvemesh;

import io.github.solvemesh.v1.CancelJobRequest;
import io.github.solvemesh.v1.GetJobRequest;
import io.github.solvemesh.v1.JobEventKind;
import io.github.solvemesh.v1.JobView;
import io.github.solvemesh.v1.WatchResultsRequest;
import java.util.List;
import java.util.Optional;

/** The handle of a job. Any process that knows the id can make one, with {@link MeshClient#job}. */
public final class Job {
  private final MeshClient client;
  private final String id;

  Job(MeshClient client, String id) {
    this.client = client;
    this.id = id;
  }

  /** The id that the mesh assigned. */
  public String id() {
    return id;
  }

  /** All events of the job. To be closed. */
  public JobEvents events() {
    return events("");
  }

  /** The events after a token of {@link JobEvents#resumeToken}. To be closed. */
  public JobEvents events(String resumeToken) {
    return client.watch(request().setResumeToken(resumeToken));
  }

  /** Waits for the end of the job. It may be called again. An interrupt ends the wait only. */
  public Result result() {
    // Of the other kinds, there may be many.
    List<JobEventKind> kinds =
        List.of(JobEventKind.JOB_EVENT_KIND_SOLUTION_PART, JobEventKind.JOB_EVENT_KIND_LOG);
    Assembly assembly = new Assembly();
    try (JobEvents events = client.watch(request().addAllKinds(kinds))) {
      while (events.hasNext()) {
        Optional<Result> result = assembly.add(events.next());
        if (result.isPresent()) {
          return result.get();
        }
      }
    }
    throw new IllegalStateException("the watch of job " + id + " ended without its result");
  }

  /**
   * Cancels the job if it is queued, and asks it to stop with its best solution if it is running. It
   * has no effect on a job that has finished.
   */
  public void cancel() {
    CancelJobRequest request = CancelJobRequest.newBuilder().setJobId(id).build();
    client.retrying(stub -> stub.cancelJob(request));
  }

  /** What the mesh knows of the job, in a view. */
  public io.github.solvemesh.v1.Job info(JobView view) {
    GetJobRequest request = GetJobRequest.newBuilder().setJobId(id).setView(view).build();
    return client.retrying(stub -> stub.getJob(request)).getJob();
  }

  private WatchResultsRequest.Builder request() {
    return WatchResultsRequest.newBuilder().addJobIds(id);
  }
}
