package io.github.solvemesh;

import io.github.solvemesh.v1.JobServiceGrpc;
import io.github.solvemesh.v1.JobServiceGrpc.JobServiceBlockingStub;
import io.github.solvemesh.v1.Model;
import io.github.solvemesh.v1.SolveOptions;
import io.github.solvemesh.v1.SubmitJobRequest;
import io.github.solvemesh.v1.WatchResultsRequest;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import java.net.URI;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/** Calls the gateways behind one address. It may be shared by threads. */
public final class MeshClient implements AutoCloseable {
  /** gRPC's default, 4 MiB, is too small for the result of a large job in one message. */
  private static final int MAX_RESPONSE = 256 << 20;

  /** How long {@link #solve}, once interrupted, waits for the job to stop. */
  private static final Duration CANCEL_GRACE = Duration.ofSeconds(15);

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final ManagedChannel channel;
  private final JobServiceBlockingStub stub;
  private final Retry retry;

  /**
   * A client on a channel of gRPC, for credentials of one's own. {@link #close} closes the channel.
   */
  public MeshClient(ManagedChannel channel, Retry retry) {
    this.channel = channel;
    this.retry = retry;
    this.stub = JobServiceGrpc.newBlockingStub(channel);
  }

  /** As {@link #connect(String, Retry)}, with the default policy. */
  public static MeshClient connect(String address) {
    return connect(address, Retry.DEFAULT);
  }

  /**
   * A client of the gateway at an address: "http://host:port", or "https://host:port" with TLS. It
   * opens no connection; the first call does.
   *
   * @throws IllegalArgumentException if the address is none
   */
  public static MeshClient connect(String address, Retry retry) {
    return connect(address, retry, Access.DEFAULT);
  }

  /**
   * As {@link #connect(String, Retry)}, with certificates or a token. Their files are read now.
   *
   * @throws IllegalArgumentException if the address is none, or if access needs one with https://
   * @throws java.io.UncheckedIOException if a file can't be read
   */
  public static MeshClient connect(String address, Retry retry, Access access) {
    URI uri = URI.create(address);
    if (uri.getUserInfo() != null) {
      // Without the address: it has a password.
      throw new IllegalArgumentException("the address of a gateway must not contain a user");
    }
    boolean secure = "https".equals(uri.getScheme());
    String path = uri.getRawPath();
    if (!secure && !"http".equals(uri.getScheme())
        || uri.getHost() == null
        || uri.getRawQuery() != null
        || path != null && !path.isEmpty() && !path.equals("/")) {
      throw new IllegalArgumentException(
          "\"" + address + "\" is not the address of a gateway, as http://127.0.0.1:50051 is");
    }
    int port = uri.getPort() >= 0 ? uri.getPort() : secure ? 443 : 80;
    access.check(address, uri.getHost(), secure);
    ChannelCredentials credentials =
        secure ? access.credentials().build() : InsecureChannelCredentials.create();
    ManagedChannelBuilder<?> builder =
        Grpc.newChannelBuilderForAddress(uri.getHost(), port, credentials)
            .maxInboundMessageSize(MAX_RESPONSE)
            .disableRetry()
            // Finds out that a watch waits on a connection that is gone.
            .keepAliveTime(1, TimeUnit.MINUTES);
    if (access.token() != null) {
      Metadata headers = new Metadata();
      headers.put(AUTHORIZATION, "Bearer " + access.token());
      builder.intercept(MetadataUtils.newAttachHeadersInterceptor(headers));
    }
    return new MeshClient(builder.build(), retry);
  }

  /** The generated stub, for all other methods of the API. Its calls are made once. */
  public JobServiceBlockingStub stub() {
    return stub;
  }

  /**
   * Submits a model, waits for the end of its job, and returns the result. An infeasible or unbounded
   * model is a result, not an exception.
   *
   * <p>If the thread is interrupted, the job is cancelled.
   *
   * @throws MeshException if a call failed
   * @throws JobFailedException if the job failed
   * @throws SolveInterruptedException if the thread was interrupted; it has the best solution
   */
  public Result solve(Model model, SolveOptions options) throws SolveInterruptedException {
    // The request id makes it safe to submit twice, in a retry and after an interrupt.
    SubmitJobRequest request =
        SubmitJobRequest.newBuilder()
            .setModel(model)
            .setOptions(options)
            .setRequestId(UUID.randomUUID().toString())
            .build();
    Job job = null;
    try {
      job = submit(request);
      return job.result();
    } catch (MeshException error) {
      if (!Thread.interrupted()) {
        throw error;
      }
      throw cancelled(request, job);
    }
  }

  /** As {@link #solve(Model, SolveOptions)}, with the defaults of the mesh. */
  public Result solve(Model model) throws SolveInterruptedException {
    return solve(model, SolveOptions.getDefaultInstance());
  }

  /**
   * Submits a job, and returns when the mesh has stored it: it runs on if this process ends. A request
   * without a request id gets one, so that retries do not make a second job.
   */
  public Job submit(SubmitJobRequest request) {
    SubmitJobRequest sent =
        request.getRequestId().isEmpty() && !request.getValidateOnly()
            ? request.toBuilder().setRequestId(UUID.randomUUID().toString()).build()
            : request;
    return job(retrying(stub -> stub.submitJob(sent)).getJob().getJobId());
  }

  /** The handle of a job by its id. It makes no call. */
  public Job job(String id) {
    return new Job(this, id);
  }

  /** Closes the connection. Jobs go on. */
  @Override
  public void close() {
    channel.shutdownNow();
  }

  JobEvents watch(WatchResultsRequest.Builder request) {
    return new JobEvents(stub, channel, retry, request);
  }

  <T> T retrying(Function<JobServiceBlockingStub, T> call) {
    return Tries.retrying(
        retry,
        channel,
        timeout -> call.apply(stub.withDeadlineAfter(timeout.toMillis(), TimeUnit.MILLISECONDS)));
  }

  /** Cancels a job, which may not have an id yet, and waits for its end. */
  private SolveInterruptedException cancelled(SubmitJobRequest request, Job submitted) {
    // In another thread, because this one may be interrupted again, and to limit the time.
    ExecutorService executor = Executors.newSingleThreadExecutor();
    try {
      Callable<Result> stop =
          () -> {
            Job job = submitted != null ? submitted : submit(request);
            job.cancel();
            return job.result();
          };
      Future<Result> result = executor.submit(stop);
      Result best = result.get(CANCEL_GRACE.toSeconds(), TimeUnit.SECONDS);
      return new SolveInterruptedException("interrupted; job " + best.jobId() + " was cancelled", best);
    } catch (TimeoutException | ExecutionException | InterruptedException error) {
      String name = submitted != null ? submitted.id() : "with request id " + request.getRequestId();
      SolveInterruptedException interrupted =
          new SolveInterruptedException("interrupted; job " + name + " may be running", null);
      interrupted.initCause(error);
      return interrupted;
    } finally {
      executor.shutdownNow();
    }
  }
}
