package io.github.solvemesh;

import io.github.solvemesh.v1.Failure;
import io.github.solvemesh.v1.JobState;

/** A job ended without a result: FAILED or EXPIRED. It says nothing about the model. */
public final class JobFailedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String jobId;
  private final JobState state;
  private final String reason;

  JobFailedException(String jobId, JobState state, Failure failure) {
    super("job " + jobId + " failed: " + failure.getMessage() + " (" + failure.getReason() + ")");
    this.jobId = jobId;
    this.state = state;
    this.reason = failure.getReason();
  }

  /** The id of the job. */
  public String jobId() {
    return jobId;
  }

  /** FAILED or EXPIRED. */
  public JobState state() {
    return state;
  }

  /** A stable name, such as SOLVER_CRASHED. */
  public String reason() {
    return reason;
  }
}
