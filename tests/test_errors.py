"""Every error formats, names its reason once, and has in its metadata what its message shows."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.rpc import error_details_pb2

from registry import errors
from registry.api.errors import DETAILS_BYTES_MAX, status_of
from registry.errors import FieldViolation, HallmarkError, PolicyRefusedError, PreconditionViolation
from registry.names.text import is_visible
from registry.v1 import namespaces_pb2


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


def detail_of(status: Any, detail: Any) -> Any:
    """The status' detail of that type; KeyError where it has none."""
    for each in status.details:
        if each.Unpack(detail):
            return detail
    raise KeyError(detail.DESCRIPTOR.full_name)


UNMET = [kind for kind in ALL if kind.status == "FAILED_PRECONDITION"]


@pytest.mark.parametrize("kind", [kind for kind in UNMET if kind is not PolicyRefusedError])
def test_each_failed_precondition_names_what_is_unmet(kind: type[HallmarkError]) -> None:
    """PreconditionFailure says what would have to hold, and of what."""
    status = status_of(example(kind), "call-1")
    failure = detail_of(status, error_details_pb2.PreconditionFailure())
    assert all(each.type and each.subject and each.description for each in failure.violations)
    assert failure.violations


def test_what_is_too_large_is_named_as_a_field() -> None:
    """BadRequest names the field that is too large, with its limit."""
    error = errors.TooLargeError(
        what="note", found="2001 characters", limit="2000 characters", fix="Shorten it."
    )
    (violation,) = detail_of(
        status_of(error, "call-1"), error_details_pb2.BadRequest()
    ).field_violations
    assert violation.field == "note"
    assert "expected at most 2000 characters" in violation.description


@pytest.mark.parametrize(
    ("found", "placed"),
    [
        ("description", "namespace.description"),
        ("namespace.owner", "namespace.owner"),
        ("namespace_id", "namespace_id"),
        ("README.md", "README.md"),
        ("", ""),
    ],
)
def test_a_field_is_named_by_its_path_in_the_request(found: str, placed: str) -> None:
    """A client finds the field that BadRequest names, whichever floor found it wrong."""
    error = errors.InvalidFieldError(field=found, found="1", expected="2", fix="Mend it.")
    request = namespaces_pb2.CreateNamespaceRequest.DESCRIPTOR
    bad = detail_of(status_of(error, "call-1", request), error_details_pb2.BadRequest())
    assert [each.field for each in bad.field_violations] == [placed]
