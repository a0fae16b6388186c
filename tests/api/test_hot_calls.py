"""Calls that are asked for all the time take shorter ways, and answer as the long ones would."""

from __future__ import annotations

import json
import logging

import pytest

from registry.api.calls import PUBLIC, QUICK, _line
from registry.api.convert import PACKED_BYTES_MAX, PACKED_MAX, Packed
from registry.testing.api import Api, outcome
from registry.v1 import namespaces_pb2 as pb
from registry.v1 import versions_pb2, versions_pb2_grpc


def pack(value: list[str]) -> pb.Namespace:
    return pb.Namespace(description=value[0])


def test_names_of_calls_that_are_treated_apart_exist(api: Api) -> None:
    """A call that was renamed is not left out silently."""
    methods = {
        f"{method.containing_service.full_name}/{method.name}"
        for servicer in api.servicers
        for method in servicer.DESCRIPTOR.methods
    }
    assert methods >= PUBLIC | QUICK


def test_a_value_is_packed_once() -> None:
    """The same object has the same message."""
    packed, value = Packed(pack), ["one"]
    assert packed.of(value, "a") is packed.of(value, "a")


def test_another_value_is_packed_anew() -> None:
    """Also where it is equal, or comes under a key that was used before."""
    packed = Packed(pack)
    for text in ("one", "two", "two"):
        assert packed.of([text], "a").description == text


def test_keys_are_kept_apart() -> None:
    """One object may be asked for under several names."""
    packed = Packed(pack)
    one, two = ["one"], ["two"]
    for _ in range(2):
        assert packed.of(one, "a", "b").description == "one"
        assert packed.of(two, "a", "c").description == "two"


def test_what_is_kept_is_bounded() -> None:
    """Large messages are not kept, and many are forgotten."""
    packed = Packed(pack)
    large = ["x" * PACKED_BYTES_MAX]
    assert packed.of(large, "a") is not packed.of(large, "a")
    for number in range(2 * PACKED_MAX):
        packed.of([str(number)], str(number))
    assert len(packed._kept) <= PACKED_MAX


@pytest.mark.parametrize(
    "text", ["", "fraud/scorer", 'a "b" \\ c', "\n\x00\x1b[31m", "ünï 🙂 \ud800"]
)
def test_a_line_in_the_log_is_one_json_object(text: str) -> None:
    """Whatever a client sends as a name."""
    line = _line("id-1", "registry.v1.S/M", text, text, "OK", 1.234)
    assert "\n" not in line
    assert json.loads(line) == {
        "call": "id-1",
        "method": "registry.v1.S/M",
        "resource": text,
        "principal": text,
        "outcome": "OK",
        "duration_ms": 1.23,
    }


def test_each_call_has_its_line(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Method, what it is about, who asked, how it ended."""
    stub = versions_pb2_grpc.VersionServiceStub(api.channel(api.world.login("ann").secret))
    request = versions_pb2.GetVersionRequest(name="models/fraud/scorer/versions/7")
    with caplog.at_level(logging.INFO, "registry.calls"):
        assert outcome(lambda: stub.GetVersion(request)) == "PERMISSION_DENIED"
    (line,) = [json.loads(r.getMessage()) for r in caplog.records if r.name == "registry.calls"]
    assert line["method"] == "registry.v1.VersionService/GetVersion"
    assert line["resource"] == "models/fraud/scorer/versions/7"
    assert line["principal"] == "ann"
    assert line["outcome"] == "PERMISSION_DENIED PERMISSION_DENIED"
