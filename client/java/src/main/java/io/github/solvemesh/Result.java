package io.github.solvemesh;

import io.github.solvemesh.v1.JobState;
import io.github.solvemesh.v1.SolveResult;
import io.github.solvemesh.v1.TerminationReason;
import java.util.List;
import java.util.OptionalDouble;

/**
 * The result of a job.
 *
 * @param jobId the id of the job
 * @param state SUCCEEDED or CANCELLED
 * @param message proofs, statistics, the check of the solution and all else; the solution is whole,
 *     even if it arrived in parts
 * @param log the lines of the solver's log, if SolveOptions.return_log asked for it
 */
public record Result(String jobId, JobState state, SolveResult message, List<String> log) {

  /** How the solve ended. */
  public TerminationReason reason() {
    return message.getTermination().getReason();
  }

  /** The objective of the best solution; empty if there is none. */
  public OptionalDouble objective() {
    return message.getTermination().hasObjective()
        ? OptionalDouble.of(message.getTermination().getObjective())
        : OptionalDouble.empty();
  }

  /** The value of a variable in the best solution; empty if there is none. */
  public OptionalDouble value(String variable) {
    int at = message.getSolution().getVariableNamesList().indexOf(variable);
    return at < 0 || at >= message.getSolution().getValuesCount()
        ? OptionalDouble.empty()
        : OptionalDouble.of(message.getSolution().getValues(at));
  }
}
