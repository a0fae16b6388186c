"""Servers that a probe can do nothing with are told apart, and are no fault of the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from registry.domain.readiness import TritonRelease
from registry.serving.probe_client import Client
from registry.testing.certificates import Authority
from registry.testing.probing import probed, python_model, target_of, told
from registry.testing.triton import Key, TritonServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[TritonServer]:
    with TritonServer() as started:
        yield started


def test_another_release_than_was_asked_about_is_told(server: TritonServer, tmp_path: Path) -> None:
    """And loads nothing."""
    other = TritonRelease(name="25.10", server="2.62.0", onnxruntime="1.23.1")
    result = probed(target_of(server), python_model(tmp_path), release=other)
    assert told(result) == [("PROBE-6", "doubts")]
    assert result.points[0].message == (
        "the server: it is version '2.51.0', expected 2.62.0, of release 25.10"
    )
    assert (result.name, result.server_version) == ("", "2.51.0")


def test_nobody_there_and_somebody_else_are_told_apart(
    server: TritonServer, tmp_path: Path
) -> None:
    quick = python_model(tmp_path)
    plain = target_of(server)
    closed = probed(replace(plain, port=9), quick)
    web = probed(replace(plain, port=int(server.url.rpartition(":")[2])), quick)
    tls = probed(replace(plain, is_tls=True), quick)
    for result, words in (
        (closed, "Connection refused"),
        (web, "speaks HTTP/1, expected gRPC"),
        (tls, "it does not speak TLS"),
    ):
        assert told(result) == [("PROBE-1", "doubts")]
        assert words in result.points[0].message
        assert result.server_version == ""
    assert "grpc://HOST:PORT" in tls.points[0].fix


def test_a_server_that_loads_nothing_when_asked_is_told(tmp_path: Path) -> None:
    with TritonServer(options=("--model-control-mode=none",)) as fixed:
        result = probed(target_of(fixed), python_model(tmp_path))
    assert told(result) == [("PROBE-5", "doubts")]
    assert "--model-control-mode=explicit" in result.points[0].fix


def test_a_secured_server(tmp_path: Path) -> None:
    """It is trusted by its authority, asks for a certificate and for a key."""
    ours, others = (tmp_path / name for name in ("ours", "others"))
    ours.mkdir()
    others.mkdir()
    authority, other = Authority(ours), Authority(others)
    own = authority.issue("probe.example")
    keys = (
        Key(protocols=("model-repository",), header="admin-key", value="s3cret word"),
        Key(protocols=("inference",), header="ask-key", value="s3cret word"),
    )
    mutual = ("--grpc-use-ssl-mutual=true", f"--grpc-root-cert={authority.certificate}")
    key_file, wrong_file = tmp_path / "key", tmp_path / "wrong"
    key_file.write_text("s3cret word\n")
    wrong_file.write_text("a canary")
    with TritonServer(
        certificate=authority.issue("127.0.0.1"), keys=keys, options=mutual
    ) as secured:
        target = target_of(
            secured,
            is_tls=True,
            ca_file=authority.certificate,
            certificate_file=own.certificate,
            key_file=own.key,
            key_files={"admin-key": key_file, "ask-key": key_file},
        )
        quick = python_model(tmp_path, execute="raise ValueError('here')")
        assert told(probed(target, quick)) == [("PROBE-13", "blocks")]
        for changes, rule in (
            ({"ca_file": other.certificate}, "PROBE-2"),
            ({"ca_file": None}, "PROBE-2"),
            ({"ca_file": tmp_path / "none.pem"}, "PROBE-2"),
            ({"certificate_file": None, "key_file": None}, "PROBE-2"),
            ({"is_tls": False}, "PROBE-1"),
            ({"key_files": {}}, "PROBE-3"),
            ({"key_files": {"admin-key": wrong_file}}, "PROBE-3"),
            ({"key_files": {"admin-key": tmp_path / "none"}}, "PROBE-3"),
            ({"key_files": {"admin-key": key_file}}, "PROBE-3"),
        ):
            result = probed(replace(target, **changes), quick)
            assert told(result) == [(rule, "doubts")], (changes, result.points)
            assert "canary" not in repr(result)
        # The last of them could load it, but not ask: it is unloaded all the same.
        with Client(target) as client:
            assert client.names() == set()
