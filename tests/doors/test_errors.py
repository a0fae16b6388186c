"""Every error has an HTTP status, a JSON body, and a line in the documentation."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest

from registry.doors import errors
from registry.doors.errors import STATUSES, STATUSES_BY_REASON, body_of, headers_of, status_of
from registry.errors import (
    DigestMismatchError,
    HallmarkError,
    NotFoundError,
    OffsetMismatchError,
    RangeNotSatisfiableError,
    RateLimitedError,
    StorageError,
    StorageFullError,
    TicketError,
    TooLargeError,
    UnauthenticatedError,
    UploadBusyError,
)

DOORS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, HallmarkError)
    if value.__module__.startswith(f"{errors.__name__}.")
]


def test_every_grpc_status_has_an_http_one() -> None:
    """No error can be without a status, and none of them looks like success."""
    names = {code.name for code in grpc.StatusCode} - {"OK"}
    assert set(STATUSES) == names
    assert all(status >= 400 for status in [*STATUSES.values(), *STATUSES_BY_REASON.values()])


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TicketError(problem="p", fix="f"), 403),
        (NotFoundError(kind="k", name="n", fix="f"), 404),
        (OffsetMismatchError(what="w", stored=1, offset=2), 409),
        (UploadBusyError(what="w", doing="sending"), 409),
        (TooLargeError(what="w", found="2", limit="1", fix="f"), 413),
        (RangeNotSatisfiableError(what="w", found="r", size=1), 416),
        (DigestMismatchError(what="w", found="f", expected="e"), 422),
        (StorageError(what="w", store="s", cause="c"), 503),
        (StorageFullError(what="w", store="s", cause="c"), 507),
    ],
)
def test_the_contract_names_the_status(error: HallmarkError, status: int) -> None:
    """These statuses are promised in transfers.proto."""
    assert status_of(error) == status


def test_a_body_has_all_of_the_error() -> None:
    """Code, reason, message, and each value shown, with the id under which the log has more."""
    error = NotFoundError(kind="file", name="a\ud800\x00", fix="Look again.")
    found = json.loads(body_of(error, "call-1"))["error"]
    assert found["code"] == "NOT_FOUND"
    assert found["reason"] == "NOT_FOUND"
    assert found["message"] == str(error)
    assert found["metadata"] == error.metadata | {"request_id": "call-1"}


def test_a_body_is_never_large() -> None:
    """Text that came from outside is cut."""
    error = NotFoundError(kind="file", name="x" * 10**6, fix="Look again.")
    assert len(body_of(error, "call-1")) < 10_000


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (OffsetMismatchError(what="w", stored=7, offset=2), {"upload-offset": "7"}),
        (UnauthenticatedError(problem="p"), {"www-authenticate": "Bearer"}),
        (StorageError(what="w", store="s", cause="c"), {"retry-after": "1"}),
        (RateLimitedError(what="w", limit="1 a minute", retry_after_s=7), {"retry-after": "7"}),
        (TicketError(problem="p", fix="f"), {}),
    ],
)
def test_headers_say_how_to_go_on(error: HallmarkError, headers: dict[str, str]) -> None:
    """What a client acts on is in headers, so that it need not parse a message."""
    assert headers_of(error) == headers


def test_errors_of_http_alone_are_documented() -> None:
    """The README of the doors lists each reason that only HTTP knows, with its status."""
    text = (Path(errors.__file__).parent / "README.md").read_text(encoding="utf-8")
    for kind in DOORS:
        status = STATUSES_BY_REASON.get(kind.reason) or STATUSES[kind.status]
        assert f"| `{kind.reason}` | {status} |" in text
