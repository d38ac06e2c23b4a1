package io.github.solvemesh;

import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Locale;

/**
 * How a client reaches a gateway, and as whom. {@link #DEFAULT} trusts the CAs of the JDK, and sends
 * neither a certificate nor a token.
 */
public final class Access {
  /** The CAs of the JDK, no certificate, no token. */
  public static final Access DEFAULT = new Access(null, null, null, null, false);

  private final Path ca;
  private final Path certificate;
  private final Path key;
  private final String token;
  private final boolean plainTextToken;

  private Access(Path ca, Path certificate, Path key, String token, boolean plainTextToken) {
    this.ca = ca;
    this.certificate = certificate;
    this.key = key;
    this.token = token;
    this.plainTextToken = plainTextToken;
  }

  /** Trusts the CA certificates in this PEM file instead of those of the JDK. For https:// only. */
  public Access withCa(Path ca) {
    return new Access(ca, certificate, key, token, plainTextToken);
  }

  /**
   * Presents the client certificate in a PEM file. The other file has its private key, in PKCS #8
   * and without a passphrase. For https:// only.
   */
  public Access withCertificate(Path certificate, Path key) {
    return new Access(ca, certificate, key, token, plainTextToken);
  }

  /** Sends this token with each call, as "authorization: Bearer TOKEN". */
  public Access withToken(String token) {
    return new Access(ca, certificate, key, token, plainTextToken);
  }

  /** Permits to send the token without TLS over a network, where it can be read. */
  public Access withPlainTextToken() {
    return new Access(ca, certificate, key, token, true);
  }

  String token() {
    return token;
  }

  /**
   * Checks that nothing secret is sent unencrypted, and that TLS is used if it is configured.
   *
   * @throws IllegalArgumentException otherwise
   */
  void check(String address, String host, boolean secure) {
    if (secure) {
      return;
    }
    if (ca != null || certificate != null) {
      throw new IllegalArgumentException(
          "\"" + address + "\" must begin with https://, as certificates are given");
    }
    if (token != null && !plainTextToken && !isLoopback(host)) {
      throw new IllegalArgumentException(
          "\"" + address + "\" must begin with https://, as the token would be sent unencrypted");
    }
  }

  /** Reads the files. */
  TlsChannelCredentials.Builder credentials() {
    TlsChannelCredentials.Builder builder = TlsChannelCredentials.newBuilder();
    try {
      if (ca != null) {
        builder.trustManager(ca.toFile());
      }
      if (certificate != null) {
        builder.keyManager(certificate.toFile(), key.toFile());
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return builder;
  }

  private static boolean isLoopback(String host) {
    String name = host.toLowerCase(Locale.ROOT);
    return name.equals("localhost")
        || name.endsWith(".localhost")
        || name.equals("[::1]")
        || name.matches("127\\.\\d+\\.\\d+\\.\\d+");
  }
}
