package io.github.solvemesh;

import io.github.solvemesh.v1.Model;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** A real gateway, which solves in its own process. */
final class Gateway implements AutoCloseable {
  static final String WYNDOR =
      """
      Maximize
       profit: 300 Doors + 500 Windows
      Subject To
       plant1: Doors <= 4
       plant2: 2 Windows <= 12
       plant3: 3 Doors + 2 Windows <= 18
      End
      """;

  private final Process process;
  private final String address;

  /** Starts the gateway of the folder SOLVEMESH_BIN. */
  Gateway(String listen, String... flags) throws IOException {
    String folder = System.getenv().getOrDefault("SOLVEMESH_BIN", "../../target/release");
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(folder, "solvemesh-gateway").toString(),
                "--listen",
                listen,
                "--slots",
                "express=1,standard=1"));
    command.addAll(List.of(flags));
    process =
        new ProcessBuilder(command)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    String line = new BufferedReader(new InputStreamReader(process.getInputStream())).readLine();
    if (line == null || !line.startsWith("listening on ")) {
      throw new IOException("the gateway did not start: " + line);
    }
    address = line.substring("listening on ".length());
  }

  String address() {
    return address;
  }

  String url() {
    return "http://" + address;
  }

  @Override
  public void close() {
    process.destroy();
    try {
      process.waitFor();
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** A port of the loopback interface that is free. */
  static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  /**
   * A MIP that has solutions at once, and whose proof of optimality takes hours (Cornuejols and Dawande
   * 1998): minimise the slack of equations with large coefficients.
   */
  static Model marketSplit() {
    int rows = 4;
    int columns = 30;
    Random random = new Random(7);
    StringBuilder text = new StringBuilder("Minimize\n slack:");
    for (int row = 0; row < rows; row++) {
      text.append(" + over%d + under%d".formatted(row, row));
    }
    text.append("\nSubject To\n");
    for (int row = 0; row < rows; row++) {
      int sum = 0;
      for (int column = 0; column < columns; column++) {
        int coefficient = random.nextInt(100);
        sum += coefficient;
        text.append(" + %d x%d".formatted(coefficient, column));
      }
      text.append(" + over%d - under%d = %d\n".formatted(row, row, sum / 2));
    }
    text.append("Binaries\n");
    for (int column = 0; column < columns; column++) {
      text.append(" x").append(column);
    }
    return Models.fromLp(text.append("\nEnd\n").toString());
  }
}
