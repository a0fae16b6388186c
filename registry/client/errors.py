"""What can go wrong for a caller of the client: one tree for server, network and own checks.

Every leaf has what the server's errors have: a gRPC status by name, a stable reason, a message that
says what was found, what was expected and how to mend it, each value of it in `metadata`, and the
violations. `hallmark` turns the status into its exit code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from registry.errors import FieldViolation, HallmarkError, PreconditionViolation
from registry.errors.redaction import redacted

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "ClientError",
    "DamagedError",
    "ExhaustedError",
    "FailedPreconditionError",
    "FieldViolation",
    "FileChangedError",
    "InvalidRequestError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "PolicyRefusedError",
    "PreconditionViolation",
    "ServerFailedError",
    "SetupError",
    "TargetError",
    "UnauthenticatedError",
    "UnavailableError",
    "checked_locally",
    "error_of",
]


class ClientError(Exception):
    """Base of all errors that the client raises on purpose."""

    status: str = "UNKNOWN"
    reason: str = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        status: str = "",
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        field_violations: Sequence[FieldViolation] = (),
        precondition_violations: Sequence[PreconditionViolation] = (),
    ) -> None:
        message = redacted(message)
        super().__init__(message)
        self.message = message
        self.status = status or self.status
        self.reason = reason or self.reason
        self.metadata = {key: redacted(value) for key, value in (metadata or {}).items()}
        self.field_violations = tuple(field_violations)
        self.precondition_violations = tuple(precondition_violations)


class InvalidRequestError(ClientError):
    """The request itself is wrong; `field_violations` says where."""

    status = "INVALID_ARGUMENT"


class SetupError(InvalidRequestError):
    """The client's own settings (address, token file, certificate) cannot be used."""

    reason = "CLIENT_SETUP"


class UnauthenticatedError(ClientError):
    """No token, or one that proves nothing any more."""

    status = "UNAUTHENTICATED"


class PermissionDeniedError(ClientError):
    """The caller may not do this; says nothing of what exists."""

    status = "PERMISSION_DENIED"


class NotFoundError(ClientError):
    """There is no such thing."""

    status = "NOT_FOUND"


class AlreadyExistsError(ClientError):
    """The name is taken."""

    status = "ALREADY_EXISTS"


class FailedPreconditionError(ClientError):
    """The state of things forbids it; `precondition_violations` says what would have to change."""

    status = "FAILED_PRECONDITION"


class PolicyRefusedError(FailedPreconditionError):
    """A gate's policy said no; every failed rule is a violation with its mend in `fix`."""

    reason = "POLICY_REFUSED"


class FileChangedError(FailedPreconditionError):
    """A local file changed between being hashed and being stored; nothing was created."""

    reason = "FILE_CHANGED"


class TargetError(FailedPreconditionError):
    """The folder to pull into cannot be used; nothing in it was touched."""

    reason = "TARGET_UNUSABLE"


class AbortedError(ClientError):
    """Somebody else was first: a stale etag, a moved target, a conflict. Nothing was changed."""

    status = "ABORTED"


class DamagedError(ClientError):
    """Bytes are not what they have to be, and no retry mended it. None of them were kept."""

    status = "DATA_LOSS"
    reason = "DIGEST_MISMATCH"


class ExhaustedError(ClientError):
    """A quota, or the server's store, has no room left."""

    status = "RESOURCE_EXHAUSTED"


class UnavailableError(ClientError):
    """The server did not answer, or could not."""

    status = "UNAVAILABLE"
    reason = "UNREACHABLE"


class ServerFailedError(ClientError):
    """The server failed inside, or does not know the call."""

    status = "INTERNAL"


class OutcomeUnknownError(ClientError):
    """The call may or may not have been carried out: read and see."""

    status = "UNKNOWN"


_BY_STATUS: dict[str, type[ClientError]] = {
    "INVALID_ARGUMENT": InvalidRequestError,
    "OUT_OF_RANGE": InvalidRequestError,
    "UNAUTHENTICATED": UnauthenticatedError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
    "FAILED_PRECONDITION": FailedPreconditionError,
    "ABORTED": AbortedError,
    "DATA_LOSS": DamagedError,
    "RESOURCE_EXHAUSTED": ExhaustedError,
    "UNAVAILABLE": UnavailableError,
    "INTERNAL": ServerFailedError,
    "UNIMPLEMENTED": ServerFailedError,
    "DEADLINE_EXCEEDED": OutcomeUnknownError,
    "CANCELLED": OutcomeUnknownError,
    "UNKNOWN": OutcomeUnknownError,
}
_BY_REASON: dict[str, type[ClientError]] = {
    "POLICY_REFUSED": PolicyRefusedError,
    "DIGEST_MISMATCH": DamagedError,
}


def error_of(
    *,
    status: str,
    reason: str,
    message: str,
    metadata: Mapping[str, str] | None = None,
    field_violations: Sequence[FieldViolation] = (),
    precondition_violations: Sequence[PreconditionViolation] = (),
) -> ClientError:
    """The error of the class that fits; a status from a newer release makes a plain ClientError."""
    kind = _BY_REASON.get(reason) or _BY_STATUS.get(status, ClientError)
    return kind(
        message,
        status=status,
        reason=reason,
        metadata=metadata,
        field_violations=field_violations,
        precondition_violations=precondition_violations,
    )


@contextmanager
def checked_locally() -> Iterator[None]:
    """Turns errors of the shared checks (names, paths, cards) into the client's, cause kept."""
    try:
        yield
    except HallmarkError as cause:
        raise error_of(
            status=cause.status,
            reason=cause.reason,
            message=str(cause),
            metadata=cause.metadata,
            field_violations=cause.field_violations,
            precondition_violations=cause.precondition_violations,
        ) from cause
