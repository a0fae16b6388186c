"""Our errors as gRPC statuses: google.rpc.Status with ErrorInfo and what else applies.

Sources: google/rpc/status.proto, google/rpc/error_details.proto, AIP-193.
"""

from __future__ import annotations

import re

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.descriptor import Descriptor
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from registry.errors import HallmarkError, RateLimitedError
from registry.names.text import visible

DOMAIN = "hallmark"
#: Clients refuse more than 8 kB of metadata by default; message and details travel in it, so they
#: are cut.
DETAILS_BYTES_MAX = 6000
#: As the message travels, percent-encoded: a byte outside printable ASCII counts three.
MESSAGE_BYTES_MAX = 1500
VALUE_BYTES_MAX = 500
_CUT = "..."


def status_of(
    error: HallmarkError, request_id: str, request: Descriptor | None = None
) -> status_pb2.Status:
    """The status that a caller gets. `request_id` is the log's id of the call.

    With the type of the request, violations name fields by their path in it.
    """
    status = status_pb2.Status(
        code=grpc.StatusCode[error.status].value[0],
        message=_shown(str(error), MESSAGE_BYTES_MAX, escaped_bytes=3),
    )
    metadata = {key: _shown(value, VALUE_BYTES_MAX) for key, value in error.metadata.items()}
    _add(
        status,
        error_details_pb2.ErrorInfo(
            reason=error.reason,
            domain=DOMAIN,
            metadata=metadata | {"request_id": request_id},
        ),
    )
    if isinstance(error, RateLimitedError):
        delay = Duration(seconds=error.retry_after_s)
        _add(status, error_details_pb2.RetryInfo(retry_delay=delay))
    if error.field_violations:
        bad = error_details_pb2.BadRequest()
        for violation in error.field_violations[:20]:
            bad.field_violations.add(
                field=_shown(_placed(violation.field, request), 200),
                description=_shown(violation.description, VALUE_BYTES_MAX),
            )
        _add(status, bad)
    if error.precondition_violations:
        failure = error_details_pb2.PreconditionFailure()
        for unmet in error.precondition_violations[:50]:
            description = _shown(unmet.description, VALUE_BYTES_MAX)
            if unmet.fix:
                description = f"{description}\n{_shown(unmet.fix, VALUE_BYTES_MAX)}"
            failure.violations.add(
                type=_shown(unmet.type, 100),
                subject=_shown(unmet.subject, 300),
                description=description,
            )
        _add(status, failure)
    return status


def _placed(field: str, request: Descriptor | None) -> str:
    """The path of a field in a request: services name those of the request's resource bare."""
    first = re.match(r"\w+", field)
    if request is None or first is None or first[0] in request.fields_by_name:
        return field
    holders = [
        each.name
        for each in request.fields
        if each.message_type is not None
        and not each.is_repeated
        and first[0] in each.message_type.fields_by_name
    ]
    return f"{holders[0]}.{field}" if len(holders) == 1 else field


def _shown(text: str, bytes_max: int, *, escaped_bytes: int = 1) -> str:
    """Text that may come from outside, safe to print, and cut to so many bytes, where those that
    gRPC escapes in a header count `escaped_bytes`."""
    # What is cut off need not be looked at: no character takes less than one byte.
    shown = visible(text[: bytes_max + 1])
    left = bytes_max
    for place, character in enumerate(shown):
        is_plain = " " <= character <= "~" and character != "%"
        left -= 1 if is_plain else escaped_bytes * len(character.encode())
        if left < 0:
            return shown[: max(place - len(_CUT), 0)] + _CUT
    return shown


def _add(
    status: status_pb2.Status,
    detail: error_details_pb2.ErrorInfo
    | error_details_pb2.BadRequest
    | error_details_pb2.PreconditionFailure
    | error_details_pb2.RetryInfo,
) -> None:
    """Append a detail if it still fits: a status too large would not reach the caller at all."""
    packed = Any()
    packed.Pack(detail)
    if status.ByteSize() + packed.ByteSize() <= DETAILS_BYTES_MAX:
        status.details.append(packed)
