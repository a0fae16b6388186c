"""Every error formats, names its reason once, and has in its metadata what its message shows."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest
from google.rpc import error_details_pb2

from registry import errors
from registry.api.errors import DETAILS_BYTES_MAX, status_of
from registry.errors import FieldViolation, HallmarkError, PolicyRefusedError, PreconditionViolation
from registry.names.text import is_visible


def tree(base: type[HallmarkError]) -> Iterator[type[HallmarkError]]:
    for child in base.__subclasses__():
        if child.__module__.startswith(f"{errors.__name__}."):
            yield child
        yield from tree(child)


ALL = sorted(tree(HallmarkError), key=lambda error: error.__name__)


def example(kind: type[HallmarkError]) -> HallmarkError:
    """An instance in which each field holds a value that can be recognised."""
    given: dict[str, object] = {}
    for number, field in enumerate(dataclasses.fields(kind)):
        if field.type == "int":
            given[field.name] = 9000 + number
        elif field.name != "violations":
            given[field.name] = f"<{field.name}>"
    return kind(**given)


@pytest.mark.parametrize("kind", ALL)
def test_each_error_formats_with_all_its_fields(kind: type[HallmarkError]) -> None:
    """A message shows values, never a placeholder, and each value shown is in the metadata."""
    error = example(kind)
    message = str(error)
    shown = {name for _, name, _, _ in string.Formatter().parse(kind.template) if name}
    assert shown <= error.metadata.keys()
    assert all(error.metadata[name] in message for name in shown)


@pytest.mark.parametrize("kind", ALL)
def test_each_error_becomes_a_status_with_its_reason(kind: type[HallmarkError]) -> None:
    """The gRPC status carries code, message and an ErrorInfo with reason and metadata."""
    error = example(kind)
    status = status_of(error, "call-1")
    assert status.code == grpc.StatusCode[kind.status].value[0]
    assert status.message == str(error)
    assert any(detail.type_url.endswith("google.rpc.ErrorInfo") for detail in status.details)


def test_every_error_is_exported() -> None:
    """Importers need not know in which module of the package an error stands."""
    assert {kind.__name__ for kind in ALL} < set(errors.__all__)


def test_reasons_are_unique_and_named_alike() -> None:
    """A client can tell every error by its reason."""
    unshared = [kind for kind in ALL if kind.reason != "UNAUTHENTICATED"]
    reasons = [kind.reason for kind in unshared]
    assert len(set(reasons)) == len(reasons)
    assert all(kind.__name__.endswith("Error") for kind in ALL)


def test_a_status_that_is_too_large_still_reaches_the_caller() -> None:
    """Details are cut, not the status lost, when a policy refuses for very many reasons."""
    violations = tuple(
        PreconditionViolation(type="RULE", subject="x" * 400, description="y" * 2000)
        for _ in range(100)
    )
    refused = PolicyRefusedError(
        gate="promote",
        subject="models/a/b/versions/1",
        failed=100,
        total=100,
        summary="z" * 9000,
        policy_digest="sha256:" + "0" * 64,
        violations=violations,
    )
    status = status_of(refused, "call-1")
    assert status.ByteSize() <= DETAILS_BYTES_MAX
    assert status.details[0].type_url.endswith("google.rpc.ErrorInfo")


HOSTILE = ["\U0001f600" * 3000, "\u202e" * 3000, "%" * 9000, "\0" * 9000, "\n\x1b[2J", "x" * 99_999]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_never_costs_a_caller_the_status(text: str) -> None:
    """Whatever stands in a refusal, it fits into what clients accept, shows nothing that a terminal
    obeys, and keeps its reason."""
    denied = errors.PermissionDeniedError(
        principal=text, action=text, resource=f"models/{text}", roles=text
    )
    status = status_of(denied, "call-1")
    travels = quote(status.message, safe=string.punctuation.replace("%", "") + " ")
    assert len(travels) + status.ByteSize() < 7700
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "PERMISSION_DENIED"
    assert info.metadata["request_id"] == "call-1"
    shown = [status.message, *info.metadata.values()]
    assert all(is_visible(character) for part in shown for character in part)


def test_what_a_text_may_hold_is_shown_whole() -> None:
    """Text of any script that fits is not changed."""
    name = "models/fraud/\u6b3a\u8bc8 caf\u00e9"
    missing = errors.NotFoundError(kind="model", name=name, fix="Create it.")
    assert status_of(missing, "call-1").message == str(missing)


def test_the_id_of_a_repeat_is_told_apart_from_that_of_the_call() -> None:
    """A reused request_id is in ErrorInfo, beside the log's id of the call."""
    status = status_of(errors.RequestIdReusedError(repeated_id="mine", method="M"), "call-1")
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.metadata["repeated_id"], info.metadata["request_id"]) == ("mine", "call-1")


def test_field_violations_reach_the_status() -> None:
    """BadRequest names every field that is wrong."""
    error = errors.InvalidRequestError(
        count=2,
        summary="a, b",
        violations=(
            FieldViolation(field="a", description="wrong"),
            FieldViolation(field="b", description="wrong too"),
        ),
    )
    kinds = [detail.type_url.rpartition(".")[2] for detail in status_of(error, "call-1").details]
    assert kinds == ["ErrorInfo", "BadRequest"]


def test_every_reason_is_documented() -> None:
    """The API's documentation lists every reason that a client may meet."""
    text = (Path(__file__).parent.parent / "proto" / "README.md").read_text(encoding="utf-8")
    missing = [kind.reason for kind in ALL if f"`{kind.reason}`" not in text]
    assert not missing
