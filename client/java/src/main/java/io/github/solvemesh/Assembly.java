package io.github.solvemesh;

import io.github.solvemesh.v1.JobEvent;
import io.github.solvemesh.v1.JobFinished;
import io.github.solvemesh.v1.JobState;
import io.github.solvemesh.v1.Solution;
import io.github.solvemesh.v1.SolutionOrBuilder;
import io.github.solvemesh.v1.SolutionPart;
import io.github.solvemesh.v1.SolveResult;
import io.github.solvemesh.v1.Termination;
import io.github.solvemesh.v1.TerminationLimit;
import io.github.solvemesh.v1.TerminationReason;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Puts the events of one job together to its result. */
public final class Assembly {
  private int attempt;
  private int parts;
  private Solution.Builder solution = Solution.newBuilder();
  private List<String> log = new ArrayList<>();

  /**
   * Adds the next event. Returns the result with the last one.
   *
   * @throws JobFailedException if the job failed
   * @throws IllegalStateException if events are missing
   */
  public Optional<Result> add(JobEvent event) {
    if (event.getAttempt() != attempt) {
      // The parts and the log of an attempt that died are not those of the next one.
      attempt = event.getAttempt();
      restart();
      log = new ArrayList<>();
    }
    switch (event.getKindCase()) {
      case SOLUTION_PART -> addPart(event.getJobId(), event.getSolutionPart());
      case LOG -> {
        log.addAll(event.getLog().getLinesList());
        if (event.getLog().getOmittedCount() > 0) {
          log.add("(" + event.getLog().getOmittedCount() + " lines omitted)");
        }
      }
      case FINISHED -> {
        return Optional.of(finish(event.getJobId(), event.getFinished()));
      }
      default -> {}
    }
    return Optional.empty();
  }

  private void restart() {
    parts = 0;
    solution = Solution.newBuilder();
  }

  private void addPart(String jobId, SolutionPart part) {
    if (part.getIndex() == 0) {
      restart();
    }
    if (part.getIndex() != parts) {
      throw new IllegalStateException(
          "job %s: received part %d of the solution instead of part %d"
              .formatted(jobId, part.getIndex(), parts));
    }
    Solution next = part.getSolution();
    if (!follows(next.getVariableOffset(), variables(next), variables(solution))
        || !follows(next.getConstraintOffset(), constraints(next), constraints(solution))) {
      throw new IllegalStateException(
          "job %s: part %d of the solution does not continue the part before"
              .formatted(jobId, part.getIndex()));
    }
    // Lists are appended, and those of ranges too.
    solution.mergeFrom(next);
    parts += 1;
  }

  private Result finish(String jobId, JobFinished finished) {
    JobState state = finished.getState();
    if (!finished.hasResult()) {
      if (finished.hasFailure()) {
        throw new JobFailedException(jobId, state, finished.getFailure());
      }
      if (finished.hasSweepSummary()) {
        throw new IllegalStateException("job " + jobId + " is a sweep: its results are events");
      }
      if (state != JobState.JOB_STATE_CANCELLED) {
        throw new IllegalStateException(
            "job " + jobId + " is " + state + ", without a result or a failure");
      }
      // Cancelled before a worker took it: stopped before anything was found.
      Termination termination =
          Termination.newBuilder()
              .setReason(TerminationReason.TERMINATION_REASON_NO_SOLUTION_FOUND)
              .setLimit(TerminationLimit.TERMINATION_LIMIT_INTERRUPTED)
              .build();
      SolveResult nothing = SolveResult.newBuilder().setTermination(termination).build();
      return new Result(jobId, state, nothing, List.copyOf(log));
    }
    SolveResult result = finished.getResult();
    int count = result.getSolutionPartCount();
    if (count > 0) {
      if (count != parts) {
        throw new IllegalStateException(
            "job %s: received %d of %d parts of the solution".formatted(jobId, parts, count));
      }
      result =
          result.toBuilder()
              .setSolution(solution.setVariableOffset(0).setConstraintOffset(0))
              .build();
    }
    return new Result(jobId, state, result, List.copyOf(log));
  }

  private static int variables(SolutionOrBuilder s) {
    return Math.max(s.getVariableNamesCount(), s.getValuesCount());
  }

  private static int constraints(SolutionOrBuilder s) {
    return Math.max(s.getConstraintNamesCount(), Math.max(s.getActivitiesCount(), s.getDualsCount()));
  }

  /** Whether a range starts where the one before ended. An empty one may have any offset. */
  private static boolean follows(int offset, int length, int end) {
    return length == 0 || offset == end;
  }
}
