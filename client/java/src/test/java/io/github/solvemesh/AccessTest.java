package io.github.solvemesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.solvemesh.v1.GetCapabilitiesRequest;
import io.github.solvemesh.v1.JobServiceGrpc;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 60, unit = TimeUnit.SECONDS)
class AccessTest {
  /**
   * Makes a certificate that is its own CA: cert.pem and key.pem. With RSA, because the JDK writes keys
   * of EC without their public part, which the gateway needs.
   */
  private static void certificate(Path folder) throws Exception {
    Path store = folder.resolve("store.p12");
    String keytool = Path.of(System.getProperty("java.home"), "bin", "keytool").toString();
    Process made =
        new ProcessBuilder(
                keytool, "-genkeypair", "-alias", "a", "-keyalg", "RSA", "-keysize", "2048",
                "-dname", "CN=gateway", "-ext", "san=ip:127.0.0.1", "-validity", "1",
                "-storetype", "PKCS12", "-storepass", "changeit", "-keystore", store.toString())
            .redirectErrorStream(true)
            .start();
    String printed = new String(made.getInputStream().readAllBytes());
    assertEquals(0, made.waitFor(), printed);
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, "changeit".toCharArray());
    }
    pem(folder.resolve("cert.pem"), "CERTIFICATE", keys.getCertificate("a").getEncoded());
    byte[] key = keys.getKey("a", "changeit".toCharArray()).getEncoded();
    pem(folder.resolve("key.pem"), "PRIVATE KEY", key);
  }

  private static void pem(Path file, String kind, byte[] der) throws Exception {
    String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
    Files.writeString(
        file, "-----BEGIN " + kind + "-----\n" + text + "\n-----END " + kind + "-----\n");
  }

  @Test
  void aGatewayWithTlsAndAPrivateCaSolves(@TempDir Path folder) throws Exception {
    certificate(folder);
    String cert = folder.resolve("cert.pem").toString();
    String key = folder.resolve("key.pem").toString();
    try (Gateway gateway = new Gateway("127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)) {
      String address = "https://" + gateway.address();
      Access access = Access.DEFAULT.withCa(folder.resolve("cert.pem")).withToken("sesame");
      try (MeshClient client = MeshClient.connect(address, Retry.DEFAULT, access)) {
        assertEquals(3600, client.solve(Models.fromLp(Gateway.WYNDOR)).objective().getAsDouble(), 1e-3);
      }
      // The CAs of the JDK did not sign its certificate.
      try (MeshClient client = MeshClient.connect(address)) {
        Throwable error =
            assertThrows(
                RuntimeException.class,
                () -> client.stub().getCapabilities(GetCapabilitiesRequest.getDefaultInstance()));
        assertEquals(Status.Code.UNAVAILABLE, Status.fromThrowable(error).getCode());
      }
    }
  }

  @Test
  void aTokenIsSentOverTlsOrToThisMachineOnly() throws Exception {
    Access access = Access.DEFAULT.withToken("sesame");
    for (String address : new String[] {"http://10.0.0.1:1", "http://localhost.example:1"}) {
      IllegalArgumentException error =
          assertThrows(
              IllegalArgumentException.class,
              () -> MeshClient.connect(address, Retry.DEFAULT, access));
      assertTrue(error.getMessage().contains("https://"), error.getMessage());
      assertFalse(error.getMessage().contains("sesame"), error.getMessage());
      MeshClient.connect(address, Retry.DEFAULT, access.withPlainTextToken()).close();
    }
    Access withCa = Access.DEFAULT.withCa(Path.of("ca.pem"));
    assertThrows(
        IllegalArgumentException.class,
        () -> MeshClient.connect("http://127.0.0.1:1", Retry.DEFAULT, withCa));

    CompletableFuture<String> seen = new CompletableFuture<>();
    ServerInterceptor interceptor =
        new ServerInterceptor() {
          @Override
          public <Q, A> ServerCall.Listener<Q> interceptCall(
              ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            seen.complete(
                headers.get(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER)));
            return next.startCall(call, headers);
          }
        };
    Server server =
        Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
            .addService(new JobServiceGrpc.JobServiceImplBase() {})
            .intercept(interceptor)
            .build()
            .start();
    try (MeshClient client =
        MeshClient.connect("http://127.0.0.1:" + server.getPort(), Retry.DEFAULT, access)) {
      assertThrows(
          RuntimeException.class,
          () -> client.stub().getCapabilities(GetCapabilitiesRequest.getDefaultInstance()));
      assertEquals("Bearer sesame", seen.get());
    } finally {
      server.shutdownNow();
    }
  }
}
