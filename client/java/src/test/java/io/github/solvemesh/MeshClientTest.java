package io.github.solvemesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Duration;
import io.github.solvemesh.v1.JobEvent;
import io.github.solvemesh.v1.JobState;
import io.github.solvemesh.v1.JobView;
import io.github.solvemesh.v1.LinearModel;
import io.github.solvemesh.v1.Model;
import io.github.solvemesh.v1.ObjectiveSense;
import io.github.solvemesh.v1.SolveOptions;
import io.github.solvemesh.v1.SubmitJobRequest;
import io.github.solvemesh.v1.TerminationLimit;
import io.github.solvemesh.v1.TerminationReason;
import io.grpc.Status;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, unit = TimeUnit.SECONDS)
class MeshClientTest {
  private static Gateway gateway;
  private static MeshClient client;

  @BeforeAll
  static void start() throws IOException {
    gateway = new Gateway("127.0.0.1:0");
    client = MeshClient.connect(gateway.url());
  }

  @AfterAll
  static void stop() {
    client.close();
    gateway.close();
  }

  private static SubmitJobRequest request(Model model, int seconds) {
    SolveOptions options =
        SolveOptions.newBuilder().setTimeLimit(Duration.newBuilder().setSeconds(seconds)).build();
    return SubmitJobRequest.newBuilder().setModel(model).setOptions(options).build();
  }

  @Test
  void aModelOfArraysIsSolvedWithDuals() throws InterruptedException {
    LinearModel.Builder linear =
        LinearModel.newBuilder().setSense(ObjectiveSense.OBJECTIVE_SENSE_MAXIMIZE);
    for (double cost : new double[] {300, 500}) {
      linear.addObjective(cost);
    }
    for (double upper : new double[] {4, 12, 18}) {
      linear.addConstraintUpper(upper);
    }
    for (int start : new int[] {0, 1, 2, 4}) {
      linear.addRowStarts(start);
    }
    for (int column : new int[] {0, 1, 0, 1}) {
      linear.addColumnIndices(column);
    }
    for (double coefficient : new double[] {1, 2, 3, 2}) {
      linear.addCoefficients(coefficient);
    }
    linear.addVariableNames("Doors").addVariableNames("Windows");
    Result result = client.solve(Model.newBuilder().setLinear(linear).build());
    assertEquals(TerminationReason.TERMINATION_REASON_OPTIMAL, result.reason());
    assertEquals(3600, result.objective().orElseThrow(), 1e-6);
    assertEquals(6, result.value("Windows").orElseThrow(), 1e-6);
    assertTrue(result.value("Roofs").isEmpty());
    List<Double> duals = result.message().getSolution().getDualsList();
    assertEquals(List.of(0L, 150L, 100L), duals.stream().map(Math::round).toList());
  }

  @Test
  void aFileIsSolved() throws Exception {
    Result result = client.solve(Models.fromFile(Path.of("../../examples/wyndor.lp")));
    assertEquals(3600, result.objective().orElseThrow(), 1e-6);
  }

  @Test
  void anInfeasibleModelIsAResultAndHasAProof() throws InterruptedException {
    Result result =
        client.solve(
            Models.fromLp("Minimize\n obj: x\nSubject To\n low: x >= 2\n high: x <= 1\nEnd"));
    assertEquals(TerminationReason.TERMINATION_REASON_INFEASIBLE, result.reason());
    assertTrue(result.message().getInfeasibilityProof().getVerified());
    assertTrue(result.objective().isEmpty());
  }

  @Test
  void aBadModelIsRefusedWithItsLine() {
    Model model = Models.fromLp("Minimize\n obj: x\nSubject To\n c1: x >=\nEnd");
    MeshException refused = assertThrows(MeshException.class, () -> client.solve(model));
    assertEquals("SYNTAX_ERROR", refused.reason());
    assertEquals("5", refused.metadata().get("line"));
    assertEquals("model.lp", refused.violations().get(0).field());
    assertEquals(Status.Code.INVALID_ARGUMENT, refused.code());
    assertFalse(refused.isTransient());
  }

  @Test
  void anInterruptCancelsTheJobAndKeepsTheBestSolution() throws Exception {
    CompletableFuture<SolveInterruptedException> caught = new CompletableFuture<>();
    SolveOptions options =
        SolveOptions.newBuilder().setTimeLimit(Duration.newBuilder().setSeconds(100)).build();
    Model model = Gateway.marketSplit().toBuilder().setName("interrupted").build();
    Thread thread =
        new Thread(
            () -> {
              try {
                client.solve(model, options);
                caught.completeExceptionally(new AssertionError("not interrupted"));
              } catch (SolveInterruptedException interrupted) {
                caught.complete(interrupted);
              } catch (RuntimeException error) {
                caught.completeExceptionally(error);
              }
            });
    thread.start();
    awaitIncumbentOf("interrupted");
    thread.interrupt();
    Result result = caught.get().result().orElseThrow();
    assertEquals(JobState.JOB_STATE_CANCELLED, result.state());
    assertEquals(
        TerminationLimit.TERMINATION_LIMIT_INTERRUPTED,
        result.message().getTermination().getLimit());
    assertTrue(result.objective().isPresent());
    assertTrue(client.job(result.jobId()).info(JobView.JOB_VIEW_BASIC).hasFinishTime());
  }

  /** Waits until the running job with this name has a solution. */
  private static void awaitIncumbentOf(String name) throws InterruptedException {
    while (true) {
      for (io.github.solvemesh.v1.Job job :
          client
              .stub()
              .listJobs(io.github.solvemesh.v1.ListJobsRequest.getDefaultInstance())
              .getJobsList()) {
        if (job.getDescription().getModelName().equals(name)) {
          try (JobEvents events = client.job(job.getJobId()).events()) {
            while (events.hasNext()) {
              if (events.next().hasIncumbent()) {
                return;
              }
            }
          }
        }
      }
      Thread.sleep(20);
    }
  }

  @Test
  void aWatchContinuesWhereABrokenConnectionStopped() throws IOException {
    try (Cutter proxy = new Cutter(gateway.address());
        MeshClient through = MeshClient.connect(proxy.url())) {
      Job job = through.submit(request(Gateway.marketSplit(), 3));
      int next = 1;
      boolean finished = false;
      try (JobEvents events = job.events()) {
        while (events.hasNext()) {
          JobEvent event = events.next();
          assertEquals(next + event.getSkippedCount(), event.getSequence());
          next = event.getSequence() + 1;
          finished = event.hasFinished();
          if (event.hasStarted() || event.hasProgress()) {
            proxy.cut();
          }
        }
      }
      assertTrue(finished);
      assertTrue(proxy.connections() >= 3, proxy.connections() + " connections");
    }
  }

  @Test
  void aTokenOfOneWatchContinuesInAnother() {
    Job job = client.submit(request(Models.fromLp(Gateway.WYNDOR), 10));
    String token;
    try (JobEvents first = job.events()) {
      assertTrue(first.next().hasQueued());
      token = first.resumeToken();
    }
    List<Integer> rest = new ArrayList<>();
    try (JobEvents second = job.events(token)) {
      second.forEachRemaining(event -> rest.add(event.getSequence()));
      token = second.resumeToken();
    }
    assertEquals(2, rest.get(0));
    try (JobEvents third = job.events(token)) {
      assertFalse(third.hasNext());
    }
  }

  @Test
  void theSameRequestIdIsTheSameJob() {
    SubmitJobRequest request = request(Models.fromLp(Gateway.WYNDOR), 10);
    Job once = client.submit(request);
    assertNotEquals(once.id(), client.submit(request).id());
    String requestId = once.info(JobView.JOB_VIEW_BASIC).getDescription().getRequestId();
    SubmitJobRequest again = request.toBuilder().setRequestId(requestId).build();
    assertEquals(once.id(), client.submit(again).id());
    MeshException taken =
        assertThrows(
            MeshException.class,
            () -> client.submit(again.toBuilder().setModel(Gateway.marketSplit()).build()));
    assertEquals("REQUEST_ID_TAKEN", taken.reason());
  }

  @Test
  void aSubmissionIsRepeatedUntilTheGatewayIsThere() throws Exception {
    int port = Gateway.freePort();
    try (MeshClient early = MeshClient.connect("http://127.0.0.1:" + port)) {
      CompletableFuture<Result> solved =
          CompletableFuture.supplyAsync(
              () -> early.submit(request(Models.fromLp(Gateway.WYNDOR), 10)).result());
      try (Gateway late = new Gateway("127.0.0.1:" + port)) {
        assertEquals(3600, solved.get().objective().orElseThrow(), 1e-6);
        assertTrue(late.address().endsWith(":" + port));
      }
    }
  }

  @Test
  void aGatewayThatIsNotThereIsAnErrorAfterTheBudget() throws IOException {
    Retry retry =
        new Retry(
            java.time.Duration.ofMillis(300),
            Retry.DEFAULT.streamBudget(),
            Retry.DEFAULT.initialBackoff(),
            Retry.DEFAULT.maxBackoff());
    try (MeshClient lost = MeshClient.connect("http://127.0.0.1:" + Gateway.freePort(), retry)) {
      MeshException error =
          assertThrows(MeshException.class, () -> lost.solve(Models.fromLp(Gateway.WYNDOR)));
      assertEquals(Status.Code.UNAVAILABLE, error.code());
      assertTrue(error.isTransient());
    }
  }

  @Test
  void aJobThatNoWorkerTakesInTimeIsAnErrorOfItsOwn() throws IOException {
    try (Gateway own = new Gateway("127.0.0.1:0");
        MeshClient mesh = MeshClient.connect(own.url())) {
      Job running = mesh.submit(request(Gateway.marketSplit(), 100));
      try (JobEvents events = running.events()) {
        while (!events.next().hasStarted()) {
          // The next one.
        }
      }
      Job waiting =
          mesh.submit(
              request(Gateway.marketSplit(), 100).toBuilder()
                  .setQueueTimeLimit(Duration.newBuilder().setNanos(200_000_000))
                  .build());
      JobFailedException failed = assertThrows(JobFailedException.class, waiting::result);
      assertEquals(JobState.JOB_STATE_EXPIRED, failed.state());
      assertEquals(waiting.id(), failed.jobId());
      running.cancel();
      assertEquals(JobState.JOB_STATE_CANCELLED, running.result().state());
    }
  }

  @Test
  void addressesThatAreNotOnesAreRefused() {
    for (String address :
        List.of("", "mesh", "ftp://mesh:1", "http://mesh:1/path", "http://me:secret@mesh:1")) {
      assertThrows(IllegalArgumentException.class, () -> MeshClient.connect(address), address);
    }
  }

  @Test
  void theExamplePrintsWhatItSays() {
    String[] lines = SolveExample.run(gateway.url()).split("\\R");
    assertEquals("1 QUEUED", lines[0]);
    assertEquals("TERMINATION_REASON_OPTIMAL: 3600 with 6 windows", lines[lines.length - 1]);
  }
}
