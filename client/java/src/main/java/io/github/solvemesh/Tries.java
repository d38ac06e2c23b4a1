package io.github.solvemesh;

import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;

/** The tries of one call or one watch. */
final class Tries {
  /** The least time that a try gets: a large model takes long to send. */
  private static final Duration MIN_CALL_TIMEOUT = Duration.ofSeconds(60);

  private final Retry retry;
  private final ManagedChannel channel;
  private Duration budget;
  private long since = System.nanoTime();
  private int failures;

  Tries(Retry retry, ManagedChannel channel) {
    this.retry = retry;
    this.channel = channel;
    this.budget = retry.budget();
  }

  /** Makes a call until there is a response, or an error that is final. */
  static <T> T retrying(Retry retry, ManagedChannel channel, Function<Duration, T> call) {
    Tries tries = new Tries(retry, channel);
    while (true) {
      try {
        Duration left = tries.remaining();
        return call.apply(left.compareTo(MIN_CALL_TIMEOUT) < 0 ? MIN_CALL_TIMEOUT : left);
      } catch (StatusRuntimeException error) {
        tries.failed(error);
      }
    }
  }

  /** Gives the budget of a stream that has worked. */
  void progressed() {
    budget = retry.streamBudget();
    since = System.nanoTime();
    failures = 0;
  }

  private Duration remaining() {
    return budget.minusNanos(System.nanoTime() - since);
  }

  /**
   * Waits for the next try. Throws if there is none: the failure is final, or the next try would come
   * after the end of the budget, or the thread was interrupted, which it still is then.
   */
  void failed(StatusRuntimeException error) {
    MeshException failure = new MeshException(error);
    if (Thread.currentThread().isInterrupted() || !failure.isTransient()) {
      throw failure;
    }
    failures += 1;
    double jitter = ThreadLocalRandom.current().nextDouble();
    Duration pause = retry.backoff(failures, failure.retryAfter(), jitter);
    if (pause.compareTo(remaining()) >= 0) {
      throw failure;
    }
    try {
      Thread.sleep(pause.toMillis());
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new MeshException(
          Status.CANCELLED.withDescription("interrupted").withCause(interrupted).asRuntimeException());
    }
    // gRPC waits up to two minutes between attempts to connect, and calls fail in the meantime.
    channel.resetConnectBackoff();
  }
}
