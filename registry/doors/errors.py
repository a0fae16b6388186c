"""Our errors as HTTP: status, headers, and the JSON body {"error": {...}}.

What gRPC calls a status has one HTTP status (google/rpc/code.proto), save for the reasons to which
HTTP gives a status of their own. Only HTTP knows the errors defined here; each has a line in the
README of this folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from registry.errors import (
    DigestMismatchError,
    HallmarkError,
    OffsetMismatchError,
    RangeNotSatisfiableError,
    RateLimitedError,
)

STATUSES: Mapping[str, int] = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}

#: Reasons that HTTP tells apart from others of their gRPC status.
STATUSES_BY_REASON: Mapping[str, int] = {
    "DIGEST_MISMATCH": 422,
    "SIZE_MISMATCH": 422,
    "RANGE_NOT_SATISFIABLE": 416,
    "STORAGE_FULL": 507,
    "TOO_LARGE": 413,
    "METHOD_NOT_ALLOWED": 405,
    "SLOW_REQUEST": 408,
    "LENGTH_REQUIRED": 411,
    "ETAG_MISMATCH": 412,
    "TYPE_NOT_ACCEPTED": 415,
    "HEAD_TOO_LARGE": 431,
}

MESSAGE_LENGTH_MAX = 4000
VALUE_LENGTH_MAX = 500


@dataclass(eq=False, kw_only=True)
class MalformedRequestError(HallmarkError):
    """Bytes that are no HTTP/1.1 request, or whose parts contradict each other."""

    status: ClassVar[str] = "INVALID_ARGUMENT"
    reason: ClassVar[str] = "MALFORMED_REQUEST"
    template: ClassVar[str] = "This is no HTTP/1.1 request: {problem}."
    problem: str


@dataclass(eq=False, kw_only=True)
class HeadTooLargeError(HallmarkError):
    status: ClassVar[str] = "INVALID_ARGUMENT"
    reason: ClassVar[str] = "HEAD_TOO_LARGE"
    template: ClassVar[str] = "Address and headers: found {found}, at most {limit} are taken."
    found: str
    limit: str


@dataclass(eq=False, kw_only=True)
class SlowRequestError(HallmarkError):
    status: ClassVar[str] = "DEADLINE_EXCEEDED"
    reason: ClassVar[str] = "SLOW_REQUEST"
    template: ClassVar[str] = (
        "No whole {part} came within {limit_s} s. What arrived of an upload is kept; go on there."
    )
    part: str
    limit_s: int


@dataclass(eq=False, kw_only=True)
class MethodNotAllowedError(HallmarkError):
    status: ClassVar[str] = "UNIMPLEMENTED"
    reason: ClassVar[str] = "METHOD_NOT_ALLOWED"
    template: ClassVar[str] = "{method} is not served at this address; {allowed} are."
    method: str
    allowed: str


@dataclass(eq=False, kw_only=True)
class LengthRequiredError(HallmarkError):
    status: ClassVar[str] = "INVALID_ARGUMENT"
    reason: ClassVar[str] = "LENGTH_REQUIRED"
    template: ClassVar[str] = (
        "{method} without a body: found neither Content-Length nor chunks. Send one of the two."
    )
    method: str


@dataclass(eq=False, kw_only=True)
class TypeNotAcceptedError(HallmarkError):
    status: ClassVar[str] = "INVALID_ARGUMENT"
    reason: ClassVar[str] = "TYPE_NOT_ACCEPTED"
    template: ClassVar[str] = "{header}: found {found}, expected {expected}."
    header: str
    found: str
    expected: str


@dataclass(eq=False, kw_only=True)
class EtagMismatchError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "ETAG_MISMATCH"
    template: ClassVar[str] = (
        "If-Match: found {found}, the file has ETag {etag}. "
        "Other bytes were meant; resolve the version anew."
    )
    found: str
    etag: str


@dataclass(eq=False, kw_only=True)
class BusyError(HallmarkError):
    """Refused before anything was done, so that a queue does not grow without end."""

    status: ClassVar[str] = "UNAVAILABLE"
    reason: ClassVar[str] = "BUSY"
    template: ClassVar[str] = "{what}: {limit} are in progress, the most at once. Retry shortly."
    what: str
    limit: int


@dataclass(eq=False, kw_only=True)
class StoppingError(HallmarkError):
    """Told to whoever is not done when the server's grace is over."""

    status: ClassVar[str] = "UNAVAILABLE"
    reason: ClassVar[str] = "STOPPING"
    template: ClassVar[str] = (
        "The server is stopping. What arrived of an upload is kept; retry shortly."
    )


def status_of(error: HallmarkError) -> int:
    return STATUSES_BY_REASON.get(error.reason) or STATUSES[error.status]


def headers_of(error: HallmarkError) -> dict[str, str]:
    """Headers that a client finds its way by, beside those of every answer."""
    match error:
        case OffsetMismatchError():
            return {"upload-offset": str(error.stored)}
        case DigestMismatchError():
            return {"hallmark-state": "failed", "upload-offset": "0"}
        case RangeNotSatisfiableError():
            return {"content-range": f"bytes */{error.size}"}
        case MethodNotAllowedError():
            return {"allow": error.allowed}
        case RateLimitedError():
            return {"retry-after": str(error.retry_after_s)}
    match error.status:
        case "UNAVAILABLE":
            return {"retry-after": "1"}
        case "UNAUTHENTICATED":
            return {"www-authenticate": "Bearer"}
    return {}


def body_of(error: HallmarkError, request_id: str) -> bytes:
    """The JSON body. `request_id` is the log's id of the request."""
    metadata = {key: _cut(value, VALUE_LENGTH_MAX) for key, value in error.metadata.items()}
    content = {
        "code": error.status,
        "reason": error.reason,
        "message": _cut(str(error), MESSAGE_LENGTH_MAX),
        "metadata": metadata | {"request_id": request_id},
    }
    # Escaped, since text from outside may hold what UTF-8 cannot say.
    return json.dumps({"error": content}).encode("ascii")


def _cut(text: str, length_max: int) -> str:
    return text if len(text) <= length_max else text[: length_max - 1] + "…"
