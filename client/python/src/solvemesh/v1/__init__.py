"""The messages of the API, generated from ``proto/solvemesh/v1`` by ``scripts/python generate``.

Not part of the public interface of this package: the public classes are dataclasses, so that a
new version of protobuf can't change them. Import a module from here to build a raw request.
"""
