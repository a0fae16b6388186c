"""Our errors as gRPC statuses: google.rpc.Status with ErrorInfo and what else applies.

Sources: google/rpc/status.proto, google/rpc/error_details.proto, AIP-193.
"""

from __future__ import annotations

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2

from registry.errors import HallmarkError

DOMAIN = "hallmark"
#: Servers refuse more than 8 kB of metadata by default; details travel in it, so they are cut.
DETAILS_BYTES_MAX = 6000
MESSAGE_LENGTH_MAX = 1500


def status_of(error: HallmarkError, request_id: str) -> status_pb2.Status:
    """The status that a caller gets. `request_id` is the log's id of the call."""
    message = str(error)
    if len(message) > MESSAGE_LENGTH_MAX:
        message = message[: MESSAGE_LENGTH_MAX - 1] + "…"
    status = status_pb2.Status(
        code=grpc.StatusCode[error.status].value[0],
        message=message,
    )
    metadata = {key: value[:500] for key, value in error.metadata.items()}
    _add(
        status,
        error_details_pb2.ErrorInfo(
            reason=error.reason,
            domain=DOMAIN,
            metadata=metadata | {"request_id": request_id},
        ),
    )
    if error.field_violations:
        bad = error_details_pb2.BadRequest()
        for violation in error.field_violations[:20]:
            bad.field_violations.add(
                field=violation.field[:200], description=violation.description[:500]
            )
        _add(status, bad)
    if error.precondition_violations:
        failure = error_details_pb2.PreconditionFailure()
        for unmet in error.precondition_violations[:50]:
            description = f"{unmet.description}\n{unmet.fix}" if unmet.fix else unmet.description
            failure.violations.add(
                type=unmet.type[:100],
                subject=unmet.subject[:300],
                description=description[:1000],
            )
        _add(status, failure)
    return status


def _add(
    status: status_pb2.Status,
    detail: error_details_pb2.ErrorInfo
    | error_details_pb2.BadRequest
    | error_details_pb2.PreconditionFailure,
) -> None:
    """Append a detail if it still fits: a status too large would not reach the caller at all."""
    packed = Any()
    packed.Pack(detail)
    if status.ByteSize() + packed.ByteSize() <= DETAILS_BYTES_MAX:
        status.details.append(packed)
