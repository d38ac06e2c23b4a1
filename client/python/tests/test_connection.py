"""Addresses, TLS and tokens; the imports and the versions that are supported."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from conftest import Gateway

import solvemesh
from solvemesh._address import resolve
from solvemesh.v1 import job_service_pb2


@pytest.mark.parametrize(
    ("target", "secure", "expected"),
    [
        ("http://mesh:50051", None, ("http://mesh:50051", "mesh:50051", False)),
        ("mesh:1234", None, ("http://mesh:1234", "mesh:1234", False)),
        ("mesh", None, ("http://mesh", "mesh:50051", False)),
        ("https://mesh", None, ("https://mesh", "mesh:443", True)),
        ("mesh:1234", True, ("https://mesh:1234", "mesh:1234", True)),
        ("grpcs://[::1]:7/", None, ("grpcs://[::1]:7", "[::1]:7", True)),
    ],
)
def test_targets_are_urls_or_host_and_port(target, secure, expected):
    address = resolve(target, secure=secure)
    assert (address.url, address.target, address.secure) == expected


def test_the_environment_names_the_target_and_the_token(monkeypatch):
    monkeypatch.setenv("SOLVEMESH_URL", "https://mesh:4")
    monkeypatch.setenv("SOLVEMESH_TOKEN", "secret")
    assert solvemesh.connect().url == "https://mesh:4"
    assert resolve().token == "secret"
    assert "secret" not in repr(resolve())
    monkeypatch.delenv("SOLVEMESH_URL")
    monkeypatch.delenv("SOLVEMESH_TOKEN")
    assert solvemesh.connect().url == "http://127.0.0.1:50051"


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("ftp://mesh", {}, "must begin with"),
        ("http://mesh/path", {}, "must end after the port"),
        ("http://user:password@mesh", {}, r"^the target must not have a user \(before @\)"),
        ("http://mesh:99999", {}, "port"),
        ("http://", {}, "no host"),
        ("http://mesh", {"secure": True}, "contradicts"),
        ("http://mesh", {"ca": "ca.pem"}, "need a target with https"),
        ("https://mesh", {"cert": "c.pem"}, "given together"),
        ("http://mesh", {"token": "secret"}, "unencrypted to mesh"),
    ],
)
def test_targets_that_would_not_do_what_they_say_are_refused(target, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        solvemesh.connect(target, **options)
    assert "secret" not in str(caught.value)
    assert "password" not in str(caught.value)


def certificate(folder: Path, name: str, signer: str | None = None) -> None:
    """A certificate of a test, signed by itself or by another one."""
    command = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-keyout", folder / f"{name}.key", "-subj", f"/CN={name}"]
    command += ["-x509", "-days", "2", "-out", folder / f"{name}.pem"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    if signer:
        command += ["-CA", folder / f"{signer}.pem", "-CAkey", folder / f"{signer}.key"]
        command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(command, check=True, capture_output=True)


def test_tls_a_client_certificate_and_a_token_reach_the_gateway(tmp_path):
    # A server that answers one method and remembers who asked.
    for name, signer in (("ca", None), ("server", "ca"), ("client", "ca")):
        certificate(tmp_path, name, signer)
    seen = []

    def answer(request, context):
        seen.append((dict(context.invocation_metadata()), context.auth_context()))
        return job_service_pb2.GetCapabilitiesResponse(version="9.9")

    server = grpc.server(futures.ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=job_service_pb2.GetCapabilitiesRequest.FromString,
        response_serializer=job_service_pb2.GetCapabilitiesResponse.SerializeToString,
    )
    service = grpc.method_handlers_generic_handler(
        "solvemesh.v1.JobService", {"GetCapabilities": handler}
    )
    server.add_generic_rpc_handlers((service,))

    def read(name):
        return (tmp_path / name).read_bytes()

    credentials = grpc.ssl_server_credentials(
        [(read("server.key"), read("server.pem"))], read("ca.pem"), require_client_auth=True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    files = {"ca": tmp_path / "ca.pem", "cert": tmp_path / "client.pem"}
    files["key"] = tmp_path / "client.key"
    try:
        with solvemesh.connect(f"https://127.0.0.1:{port}", token="secret", **files) as client:
            assert client.capabilities().version == "9.9"
        metadata, identity = seen[0]
        assert metadata["authorization"] == "Bearer secret"
        assert identity["x509_common_name"] == [b"client"]
        impatient = solvemesh.Retry(budget=0.3)
        with (
            solvemesh.connect(f"https://127.0.0.1:{port}", retry=impatient) as client,
            pytest.raises(solvemesh.ConnectionFailed),
        ):
            client.capabilities()
    finally:
        server.stop(None)


def test_a_gateway_with_tls_and_client_certificates(tmp_path):
    for name, signer in (("ca", None), ("server", "ca"), ("client", "ca")):
        certificate(tmp_path, name, signer)
    flags = ["--tls-cert", tmp_path / "server.pem", "--tls-key", tmp_path / "server.key"]
    flags += ["--tls-client-ca", tmp_path / "ca.pem", "--slots", "express=1,standard=1"]
    running = Gateway(*flags)
    url = f"https://{running.address}"
    files = {"cert": tmp_path / "client.pem", "key": tmp_path / "client.key"}
    impatient = solvemesh.Retry(budget=0.5)
    try:
        with solvemesh.connect(url, ca=tmp_path / "ca.pem", **files) as client:
            model = solvemesh.Model(objective=[1, 2], matrix=[[1, 1]], row_lower=3)
            assert client.solve(model).objective == 3
        for options in ({"ca": tmp_path / "ca.pem"}, files):
            with (
                solvemesh.connect(url, retry=impatient, **options) as client,
                pytest.raises(solvemesh.ConnectionFailed),
            ):
                client.capabilities()
    finally:
        running.stop()


def python(code: str, *, path: str = "", **environment: str) -> str:
    """The output of another Python, with other packages before those of this one."""
    folder = Path(solvemesh.__file__).parent.parent
    variables = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join([path, str(folder)])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_import_is_cheap_and_opens_nothing():
    code = """
import sys, time, threading
begin = time.process_time()
import solvemesh
used = time.process_time() - begin
heavy = [name for name in ("grpc", "google.protobuf", "numpy", "pandas") if name in sys.modules]
print(used < 0.05, heavy, threading.active_count())
"""
    assert python(code) == "True [] 1"


def test_the_oldest_versions_solve(gateway):
    folder = os.environ.get("SOLVEMESH_PYTHON_OLDEST")
    if not folder:
        pytest.skip("SOLVEMESH_PYTHON_OLDEST is not set: scripts/python test sets it")
    code = """
import google.protobuf, grpc, numpy, solvemesh
model = solvemesh.Model(objective=[1, 2], matrix=[[1, 1]], row_lower=3, kinds=["I", "C"])
result = solvemesh.solve(model, return_log=True, solver="highs")
sweep = solvemesh.connect().sweep(model, {solvemesh.Parameter("rhs", constraint=0): [1, 2]})
print(google.protobuf.__version__, grpc.__version__, numpy.__version__)
print(result.objective, result.x.tolist(), bool(result.log), [r.objective for r in sweep.results()])
"""
    out = python(code, path=folder, SOLVEMESH_URL=gateway.url).splitlines()
    assert out == ["4.25.1 1.62.3 1.24.4", "3.0 [3.0, 0.0] True [1.0, 2.0]"]


def test_proxies_of_the_environment_are_not_asked_for_this_machine(gateway):
    code = "import solvemesh; print(len(solvemesh.connect().capabilities().solvers) > 0)"
    proxies = {"http_proxy": "http://127.0.0.1:9", "SOLVEMESH_URL": gateway.url}
    assert python(code, **proxies) == "True"
