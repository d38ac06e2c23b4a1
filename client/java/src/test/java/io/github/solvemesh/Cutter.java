package io.github.solvemesh;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

/** Forwards connections to an address until they are cut. */
final class Cutter implements AutoCloseable {
  private final ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
  private final List<Socket> open = new ArrayList<>();
  private int connections;

  Cutter(String target) throws IOException {
    String[] parts = target.split(":");
    start(
        () -> {
          while (true) {
            Socket near = server.accept();
            Socket far = new Socket(parts[0], Integer.parseInt(parts[1]));
            synchronized (this) {
              open.addAll(List.of(near, far));
              connections += 1;
            }
            start(() -> pipe(near, far));
            start(() -> pipe(far, near));
          }
        });
  }

  String url() {
    return "http://127.0.0.1:" + server.getLocalPort();
  }

  synchronized int connections() {
    return connections;
  }

  /** Closes all connections. New ones are accepted. */
  synchronized void cut() {
    for (Socket socket : open) {
      try {
        socket.close();
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }
    open.clear();
  }

  @Override
  public void close() throws IOException {
    server.close();
    cut();
  }

  private interface Work {
    void run() throws IOException;
  }

  private static void pipe(Socket from, Socket to) throws IOException {
    try (from;
        to) {
      from.getInputStream().transferTo(to.getOutputStream());
    }
  }

  private static void start(Work work) {
    Thread thread =
        new Thread(
            () -> {
              try {
                work.run();
              } catch (IOException closed) {
                // As intended.
              }
            });
    thread.setDaemon(true);
    thread.start();
  }
}
