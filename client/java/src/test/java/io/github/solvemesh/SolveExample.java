package io.github.solvemesh;

import io.github.solvemesh.v1.JobEvent;
import io.github.solvemesh.v1.SubmitJobRequest;

/** Solves a model on the gateway at SOLVEMESH_URL, and shows what happens meanwhile. */
public final class SolveExample {
  private SolveExample() {}

  /** Runs the example. */
  public static void main(String[] arguments) {
    String address = System.getenv().getOrDefault("SOLVEMESH_URL", "http://127.0.0.1:50051");
    System.out.print(run(address));
  }

  static String run(String address) {
    StringBuilder out = new StringBuilder();
    try (MeshClient client = MeshClient.connect(address)) {
      String model =
          """
          Maximize
           profit: 300 Doors + 500 Windows
          Subject To
           plant1: Doors <= 4
           plant2: 2 Windows <= 12
           plant3: 3 Doors + 2 Windows <= 18
          End
          """;
      Job job =
          client.submit(SubmitJobRequest.newBuilder().setModel(Models.fromLp(model)).build());
      try (JobEvents events = job.events()) {
        while (events.hasNext()) {
          JobEvent event = events.next();
          out.append("%d %s%n".formatted(event.getSequence(), event.getKindCase()));
        }
      }
      Result result = job.result();
      out.append(
          "%s: %.0f with %.0f windows%n"
              .formatted(
                  result.reason(),
                  result.objective().orElseThrow(),
                  result.value("Windows").orElseThrow()));
    }
    return out.toString();
  }
}
