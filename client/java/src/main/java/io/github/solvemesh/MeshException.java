package io.github.solvemesh;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A call failed: the gateway refused it, or could not be reached. */
public final class MeshException extends RuntimeException {
  private static final long serialVersionUID = 1L;
  private static final Set<Status.Code> TRANSIENT =
      EnumSet.of(
          Status.Code.UNAVAILABLE,
          Status.Code.UNKNOWN,
          Status.Code.ABORTED,
          Status.Code.CANCELLED,
          Status.Code.DEADLINE_EXCEEDED);

  private final Status.Code code;
  private final transient Details details;

  /**
   * A field that is not valid.
   *
   * @param field its path, such as "options.time_limit"
   * @param description what is wrong with it
   */
  public record Violation(String field, String description) {}

  private record Details(
      String reason, Map<String, String> metadata, List<Violation> violations, Duration retryAfter) {}

  MeshException(StatusRuntimeException cause) {
    this(cause, detailsOf(cause));
  }

  private MeshException(StatusRuntimeException cause, Details details) {
    super(message(cause.getStatus(), details), cause);
    this.code = cause.getStatus().getCode();
    this.details = details;
  }

  /** The code of gRPC. */
  public Status.Code code() {
    return code;
  }

  /** A stable name; docs/errors.md lists them. Empty if the error is not from a gateway. */
  public String reason() {
    return details.reason();
  }

  /** Of the reason, as "line" and "column" of an error in a text. */
  public Map<String, String> metadata() {
    return details.metadata();
  }

  /** The fields at fault. */
  public List<Violation> violations() {
    return details.violations();
  }

  /** How long the gateway asks to wait before a retry; zero if it does not. */
  public Duration retryAfter() {
    return details.retryAfter();
  }

  /** Whether a later try may succeed. */
  public boolean isTransient() {
    return TRANSIENT.contains(code) || !retryAfter().isZero();
  }

  private static String message(Status status, Details details) {
    StringBuilder message = new StringBuilder(String.valueOf(status.getDescription()));
    for (Violation violation : details.violations()) {
      if (message.indexOf(violation.description()) < 0) {
        message.append("; ").append(violation.field()).append(": ").append(violation.description());
      }
    }
    return message.append(" (").append(details.reason().isEmpty() ? status.getCode() : details.reason())
        .append(')')
        .toString();
  }

  private static Details detailsOf(StatusRuntimeException cause) {
    String reason = "";
    Map<String, String> metadata = Map.of();
    List<Violation> violations = new ArrayList<>();
    Duration retryAfter = Duration.ZERO;
    com.google.rpc.Status status = StatusProto.fromThrowable(cause);
    try {
      for (Any any : status == null ? List.<Any>of() : status.getDetailsList()) {
        if (any.is(ErrorInfo.class)) {
          ErrorInfo info = any.unpack(ErrorInfo.class);
          reason = info.getReason();
          metadata = Map.copyOf(info.getMetadataMap());
        } else if (any.is(RetryInfo.class)) {
          com.google.protobuf.Duration delay = any.unpack(RetryInfo.class).getRetryDelay();
          retryAfter = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
        } else if (any.is(BadRequest.class)) {
          any.unpack(BadRequest.class)
              .getFieldViolationsList()
              .forEach(it -> violations.add(new Violation(it.getField(), it.getDescription())));
        }
      }
    } catch (InvalidProtocolBufferException ignored) {
      // Details only add to a status.
    }
    return new Details(reason, metadata, List.copyOf(violations), retryAfter);
  }
}
