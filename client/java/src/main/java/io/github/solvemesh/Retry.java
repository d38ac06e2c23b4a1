package io.github.solvemesh;

import java.time.Duration;

/**
 * Exponential backoff with jitter, within a budget of time. The budget is a time and not a number of
 * tries, because a try may fail at once or last for long.
 *
 * @param budget the time of all tries of a call, and of a watch that has not received anything
 * @param streamBudget that of a watch whose stream broke: enough for the restart of a gateway
 * @param initialBackoff the pause after the first failure; it doubles with each further one
 * @param maxBackoff the longest pause, unless the gateway asks for a longer one
 */
public record Retry(
    Duration budget, Duration streamBudget, Duration initialBackoff, Duration maxBackoff) {

  /** What a client uses that was not given another one. */
  public static final Retry DEFAULT =
      new Retry(
          Duration.ofSeconds(15),
          Duration.ofSeconds(60),
          Duration.ofMillis(100),
          Duration.ofSeconds(2));

  /** The pause after a number of failures; {@code jitter} is in [0, 1). */
  Duration backoff(int failures, Duration asked, double jitter) {
    double full =
        Math.min(
            initialBackoff.toMillis() * Math.pow(2, failures - 1), (double) maxBackoff.toMillis());
    Duration pause = Duration.ofMillis(Math.round(full * (0.5 + jitter / 2)));
    return pause.compareTo(asked) < 0 ? asked : pause;
  }
}
