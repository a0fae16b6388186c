"""Every failure that Hallmark tells a caller about: one tree, each leaf with a stable reason.

A subclass owns three things: the gRPC status by name (plain text, so that this package needs no
grpc), a reason that clients may compare, and a message template over its own fields. A message
says what was found, what was expected and how to mend it; each value in it is in `metadata` too.
One interceptor turns these into gRPC statuses and one table into HTTP ones
(`registry/api/errors.py`, `registry/doors/errors.py`); nobody else knows about statuses.
"""

from registry.errors.access import (
    NotIndependentError,
    PermissionDeniedError,
    TermsNotAcceptedError,
    TicketError,
    TokenExpiredError,
    TokenRevokedError,
    TokenScopeError,
    UnauthenticatedError,
)
from registry.errors.base import (
    CallCancelledError,
    FieldViolation,
    HallmarkError,
    PreconditionViolation,
    UnforeseenError,
)
from registry.errors.identity import (
    DirectoryUnavailableError,
    LoginInsecureError,
    LoginNameTakenError,
    LoginRefusedError,
    LoginThrottledError,
    NoDirectoryError,
)
from registry.errors.input import (
    AmbiguousReferenceError,
    InvalidFieldError,
    InvalidRequestError,
    QuotaError,
    RateLimitedError,
    RequestIdReusedError,
    TooLargeError,
)
from registry.errors.start import SchemaMismatchError, StartError
from registry.errors.state import (
    AlreadyExistsError,
    AlreadyInStageError,
    ConflictError,
    InvalidStateError,
    LastAdminError,
    LineageCycleError,
    NotEmptyError,
    NotFoundError,
    NothingBeforeError,
    PolicyRefusedError,
    StaleEtagError,
    TargetMovedError,
)
from registry.errors.storage import (
    AuditBrokenError,
    CheckpointBrokenError,
    CorruptBytesError,
    DamagedTextError,
    DatabaseUnavailableError,
    OutcomeUnknownError,
    StorageError,
    StorageFullError,
)
from registry.errors.transfers import (
    BytesMissingError,
    DigestMismatchError,
    OffsetMismatchError,
    RangeNotSatisfiableError,
    SizeMismatchError,
    UploadBusyError,
    UploadIncompleteError,
)
from registry.errors.workloads import (
    IssuerUnavailableError,
    WorkloadRefusedError,
)

__all__ = [
    "AlreadyExistsError",
    "AlreadyInStageError",
    "AmbiguousReferenceError",
    "AuditBrokenError",
    "BytesMissingError",
    "CallCancelledError",
    "CheckpointBrokenError",
    "ConflictError",
    "CorruptBytesError",
    "DamagedTextError",
    "DatabaseUnavailableError",
    "DigestMismatchError",
    "DirectoryUnavailableError",
    "FieldViolation",
    "HallmarkError",
    "InvalidFieldError",
    "InvalidRequestError",
    "InvalidStateError",
    "IssuerUnavailableError",
    "LastAdminError",
    "LineageCycleError",
    "LoginInsecureError",
    "LoginNameTakenError",
    "LoginRefusedError",
    "LoginThrottledError",
    "NoDirectoryError",
    "NotEmptyError",
    "NotFoundError",
    "NotIndependentError",
    "NothingBeforeError",
    "OffsetMismatchError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "PolicyRefusedError",
    "PreconditionViolation",
    "QuotaError",
    "RangeNotSatisfiableError",
    "RateLimitedError",
    "RequestIdReusedError",
    "SchemaMismatchError",
    "SizeMismatchError",
    "StaleEtagError",
    "StartError",
    "StorageError",
    "StorageFullError",
    "TargetMovedError",
    "TermsNotAcceptedError",
    "TicketError",
    "TokenExpiredError",
    "TokenRevokedError",
    "TokenScopeError",
    "TooLargeError",
    "UnauthenticatedError",
    "UnforeseenError",
    "UploadBusyError",
    "UploadIncompleteError",
    "WorkloadRefusedError",
]
