package io.github.solvemesh;

import io.github.solvemesh.v1.JobEvent;
import io.github.solvemesh.v1.JobServiceGrpc.JobServiceBlockingStub;
import io.github.solvemesh.v1.WatchResultsRequest;
import io.github.solvemesh.v1.WatchResultsResponse;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * The events of a job, each once and in order. If the stream breaks, or the gateway shuts down, it is
 * opened again where it stopped, until the retry budget is used up. For one thread.
 *
 * <p>Its methods throw {@link MeshException} for a call that failed, and if the thread is interrupted,
 * which it still is then.
 */
public final class JobEvents implements Iterator<JobEvent>, AutoCloseable {
  private final JobServiceBlockingStub stub;
  private final Retry retry;
  private final WatchResultsRequest.Builder request;
  private final boolean resumed;
  private final Tries tries;
  private Context.CancellableContext call;
  private Iterator<WatchResultsResponse> responses;
  private long opened;
  private boolean anyEvent;
  private boolean ended;
  private JobEvent next;
  private String nextToken;
  private String token;

  JobEvents(
      JobServiceBlockingStub stub,
      ManagedChannel channel,
      Retry retry,
      WatchResultsRequest.Builder request) {
    this.stub = stub;
    this.retry = retry;
    this.request = request;
    this.token = request.getResumeToken();
    this.nextToken = token;
    this.resumed = !token.isEmpty();
    this.tries = new Tries(retry, channel);
  }

  /** The position after the latest event, from which another watch can continue. */
  public String resumeToken() {
    return token;
  }

  @Override
  public boolean hasNext() {
    while (next == null && !ended) {
      try {
        if (responses == null) {
          open();
        }
        if (responses.hasNext()) {
          take(responses.next());
        } else if (resumed && !anyEvent) {
          // The job finished before the caller's token.
          close();
        } else {
          throw Status.UNAVAILABLE
              .withDescription("the gateway closed the stream early")
              .asRuntimeException();
        }
      } catch (StatusRuntimeException error) {
        drop();
        tries.failed(error);
      }
    }
    return next != null;
  }

  @Override
  public JobEvent next() {
    if (!hasNext()) {
      throw new NoSuchElementException("the job has finished");
    }
    JobEvent event = next;
    next = null;
    token = nextToken;
    return event;
  }

  /** Ends the watch. The job goes on. */
  @Override
  public void close() {
    ended = true;
    drop();
  }

  private void open() {
    opened = System.nanoTime();
    call = Context.current().withCancellation();
    Context before = call.attach();
    try {
      responses = stub.watchResults(request.setResumeToken(nextToken).build());
    } finally {
      call.detach(before);
    }
  }

  private void take(WatchResultsResponse response) {
    if (!response.getResumeToken().isEmpty()) {
      nextToken = response.getResumeToken();
    }
    // A gateway that opens streams and fails at once must use up the budget.
    if (response.hasEvent() || System.nanoTime() - opened > retry.maxBackoff().toNanos()) {
      tries.progressed();
    }
    if (!response.hasEvent()) {
      token = nextToken;
      return;
    }
    anyEvent = true;
    next = response.getEvent();
    if (next.hasFinished()) {
      close();
    }
  }

  private void drop() {
    if (call != null) {
      call.cancel(null);
    }
    call = null;
    responses = null;
  }
}
