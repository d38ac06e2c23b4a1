package io.github.solvemesh;

import com.google.protobuf.ByteString;
import io.github.solvemesh.v1.Model;
import io.github.solvemesh.v1.ModelFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Models. One of arrays is a {@code LinearModel}; call its {@code addX} methods in a loop, since {@code
 * addAllX} takes an object for each number.
 */
public final class Models {
  private Models() {}

  /** A model as text in the LP format. */
  public static Model fromLp(String text) {
    return Model.newBuilder().setLp(text).build();
  }

  /** Reads a model file: any format that the mesh reads, plain, gzip or zstd. */
  public static Model fromFile(Path path) throws IOException {
    ModelFile.Builder file =
        ModelFile.newBuilder()
            .setContent(ByteString.copyFrom(Files.readAllBytes(path)))
            .setName(path.getFileName().toString());
    return Model.newBuilder().setFile(file).build();
  }
}
