package io.github.solvemesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.solvemesh.v1.JobEvent;
import io.github.solvemesh.v1.JobFinished;
import io.github.solvemesh.v1.JobState;
import io.github.solvemesh.v1.Solution;
import io.github.solvemesh.v1.SolutionPart;
import io.github.solvemesh.v1.SolveResult;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class AssemblyTest {
  private static JobEvent part(int attempt, int index, int offset, double... values) {
    Solution.Builder solution = Solution.newBuilder().setVariableOffset(offset);
    for (double value : values) {
      solution.addValues(value);
    }
    return JobEvent.newBuilder()
        .setJobId("j")
        .setAttempt(attempt)
        .setSolutionPart(SolutionPart.newBuilder().setIndex(index).setSolution(solution))
        .build();
  }

  private static JobEvent finished(int attempt, int parts) {
    return JobEvent.newBuilder()
        .setJobId("j")
        .setAttempt(attempt)
        .setFinished(
            JobFinished.newBuilder()
                .setState(JobState.JOB_STATE_SUCCEEDED)
                .setResult(SolveResult.newBuilder().setSolutionPartCount(parts)))
        .build();
  }

  private static String errorOf(JobEvent... events) {
    Assembly assembly = new Assembly();
    return assertThrows(
            IllegalStateException.class,
            () -> {
              for (JobEvent event : events) {
                assembly.add(event);
              }
            })
        .getMessage();
  }

  @Test
  void partsAreJoinedAndThoseOfADeadAttemptDropped() {
    Assembly assembly = new Assembly();
    for (JobEvent event : List.of(part(1, 0, 0, 9), part(2, 0, 0, 1, 2), part(2, 1, 2, 3))) {
      assertTrue(assembly.add(event).isEmpty());
    }
    Solution solution = assembly.add(finished(2, 2)).orElseThrow().message().getSolution();
    assertEquals(List.of(1.0, 2.0, 3.0), solution.getValuesList());
    assertEquals(0, solution.getVariableOffset());
  }

  @Test
  void partsThatAreMissingAreAnError() {
    assertEquals(
        "job j: received 1 of 2 parts of the solution",
        errorOf(part(1, 0, 0, 1), finished(1, 2)));
    assertEquals(
        "job j: received part 1 of the solution instead of part 0", errorOf(part(1, 1, 0, 1)));
    assertEquals(
        "job j: part 1 of the solution does not continue the part before",
        errorOf(part(1, 0, 0, 1), part(1, 1, 2, 3)));
  }

  @Test
  void pausesDoubleUpToTheMaximumAndAreNeverShorterThanAsked() {
    Retry retry = Retry.DEFAULT;
    assertEquals(Duration.ofMillis(100), retry.backoff(1, Duration.ZERO, 1));
    assertEquals(Duration.ofMillis(1600), retry.backoff(5, Duration.ZERO, 1));
    assertEquals(Duration.ofSeconds(2), retry.backoff(6, Duration.ZERO, 1));
    assertEquals(Duration.ofSeconds(2), retry.backoff(5000, Duration.ZERO, 1));
    assertEquals(Duration.ofMillis(50), retry.backoff(1, Duration.ZERO, 0));
    assertEquals(Duration.ofSeconds(7), retry.backoff(1, Duration.ofSeconds(7), 0.5));
  }
}
