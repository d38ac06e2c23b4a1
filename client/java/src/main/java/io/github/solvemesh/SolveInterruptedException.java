package io.github.solvemesh;

import java.util.Optional;

/** The thread was interrupted in {@link MeshClient#solve}, which has cancelled the job. */
public final class SolveInterruptedException extends InterruptedException {
  private static final long serialVersionUID = 1L;

  private final transient Result result;

  SolveInterruptedException(String message, Result result) {
    super(message);
    this.result = result;
  }

  /** The best solution until then. Empty if the job did not stop within a few seconds. */
  public Optional<Result> result() {
    return Optional.ofNullable(result);
  }
}
