"""Every failure that Hallmark tells a caller about: one tree, each leaf with a stable reason.

A subclass owns three things: the gRPC status by name (plain text, so that this module needs no
grpc), a reason that clients may compare, and a message template over its own fields. A message
says what was found, what was expected and how to mend it; each value in it is in `metadata` too.
One interceptor turns these into gRPC statuses and one table into HTTP ones
(`registry/api/errors.py`, `registry/doors/errors.py`); nobody else knows about statuses.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class FieldViolation:
    """One thing wrong with a request: becomes google.rpc.BadRequest.FieldViolation."""

    field: str
    description: str


@dataclass(frozen=True, kw_only=True)
class PreconditionViolation:
    """One unmet condition: becomes google.rpc.PreconditionFailure.Violation."""

    type: str
    subject: str
    description: str
    fix: str = ""


@dataclass(eq=False, kw_only=True)
class HallmarkError(Exception):
    """Base of all errors that may reach a caller."""

    status: ClassVar[str] = "INTERNAL"
    reason: ClassVar[str] = "INTERNAL"
    template: ClassVar[str] = "Something failed inside the registry."

    def __str__(self) -> str:
        return self.template.format(**self.metadata)

    @property
    def metadata(self) -> dict[str, str]:
        """The error's own fields as text, for ErrorInfo.metadata. Violations are not in it."""
        return {
            field.name: str(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.name != "violations"
        }

    @property
    def field_violations(self) -> tuple[FieldViolation, ...]:
        return ()

    @property
    def precondition_violations(self) -> tuple[PreconditionViolation, ...]:
        return ()


@dataclass(eq=False, kw_only=True)
class UnforeseenError(HallmarkError):
    """What a caller is told of a failure that nobody foresaw; the log has all of it."""

    status: ClassVar[str] = "INTERNAL"
    reason: ClassVar[str] = "INTERNAL"
    template: ClassVar[str] = (
        "The registry failed in a way that it did not foresee. Its log has the details under "
        "{incident}; please tell its operator."
    )
    incident: str


# --- The request itself is wrong -----------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class InvalidFieldError(HallmarkError):
    """One field of a request breaks its rule."""

    status: ClassVar[str] = "INVALID_ARGUMENT"
    reason: ClassVar[str] = "INVALID_FIELD"
    template: ClassVar[str] = "{field}: found {found}, expected {expected}. {fix}"
    field: str
    found: str
    expected: str
    fix: str

    @property
    def field_violations(self) -> tuple[FieldViolation, ...]:
        return (
            FieldViolation(
                field=self.field,
                description=f"found {self.found}, expected {self.expected}. {self.fix}",
            ),
        )


@dataclass(eq=False, kw_only=True)
class InvalidRequestError(HallmarkError):
    """Several fields break their rules; all are reported together."""

    status: ClassVar[str] = "INVALID_ARGUMENT"
    reason: ClassVar[str] = "INVALID_REQUEST"
    template: ClassVar[str] = "{count} fields are wrong: {summary}"
    count: int
    summary: str
    violations: tuple[FieldViolation, ...] = ()

    @property
    def field_violations(self) -> tuple[FieldViolation, ...]:
        return self.violations


@dataclass(eq=False, kw_only=True)
class RequestIdReusedError(HallmarkError):
    status: ClassVar[str] = "INVALID_ARGUMENT"
    reason: ClassVar[str] = "REQUEST_ID_REUSED"
    template: ClassVar[str] = (
        "request_id {repeated_id} was used before for another {method} request. "
        "Use a fresh UUID for each new request, and the same one only to repeat it unchanged."
    )
    #: Not by the name of the field: in ErrorInfo that is the log's id of the call.
    repeated_id: str
    method: str


@dataclass(eq=False, kw_only=True)
class TooLargeError(HallmarkError):
    status: ClassVar[str] = "INVALID_ARGUMENT"
    reason: ClassVar[str] = "TOO_LARGE"
    template: ClassVar[str] = "{what}: found {found}, at most {limit} is taken. {fix}"
    what: str
    found: str
    limit: str
    fix: str


@dataclass(eq=False, kw_only=True)
class AmbiguousReferenceError(HallmarkError):
    status: ClassVar[str] = "INVALID_ARGUMENT"
    reason: ClassVar[str] = "AMBIGUOUS_REFERENCE"
    template: ClassVar[str] = (
        "{reference} fits several commits of {model}, {first} and {second} among them. "
        "Give more of its digits."
    )
    reference: str
    model: str
    first: str
    second: str


@dataclass(eq=False, kw_only=True)
class QuotaError(HallmarkError):
    status: ClassVar[str] = "RESOURCE_EXHAUSTED"
    reason: ClassVar[str] = "QUOTA"
    template: ClassVar[str] = "{what}: found {found}, at most {limit} are allowed at once. {fix}"
    what: str
    found: int
    limit: int
    fix: str


# --- Who is asking -------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class UnauthenticatedError(HallmarkError):
    """No credential, or one that proves nothing. `problem` says which of these it is."""

    status: ClassVar[str] = "UNAUTHENTICATED"
    reason: ClassVar[str] = "UNAUTHENTICATED"
    template: ClassVar[str] = "{problem} {fix}"
    problem: str
    fix: str = "Log in with: hallmark login URL"


@dataclass(eq=False, kw_only=True)
class TokenExpiredError(HallmarkError):
    status: ClassVar[str] = "UNAUTHENTICATED"
    reason: ClassVar[str] = "TOKEN_EXPIRED"
    template: ClassVar[str] = (
        "Token {token} expired at {expire_time}. Ask for a new one: hallmark token create"
    )
    token: str
    expire_time: str


@dataclass(eq=False, kw_only=True)
class TokenRevokedError(HallmarkError):
    status: ClassVar[str] = "UNAUTHENTICATED"
    reason: ClassVar[str] = "TOKEN_REVOKED"
    template: ClassVar[str] = (
        "Token {token} was revoked at {revoke_time}. Ask for a new one: hallmark token create"
    )
    token: str
    revoke_time: str


@dataclass(eq=False, kw_only=True)
class PermissionDeniedError(HallmarkError):
    """Judged from names alone, before anything is looked up: says nothing of what exists."""

    status: ClassVar[str] = "PERMISSION_DENIED"
    reason: ClassVar[str] = "PERMISSION_DENIED"
    template: ClassVar[str] = (
        "{principal} may not {action} on {resource}. "
        "This takes one of the roles {roles} there; ask an administrator of Hallmark."
    )
    principal: str
    action: str
    resource: str
    roles: str


@dataclass(eq=False, kw_only=True)
class TicketError(HallmarkError):
    """A download or upload address that is forged, foreign, expired or no longer good."""

    status: ClassVar[str] = "PERMISSION_DENIED"
    reason: ClassVar[str] = "TICKET_REFUSED"
    template: ClassVar[str] = "This address cannot be used: {problem}. Ask for a new one: {fix}"
    problem: str
    fix: str


@dataclass(eq=False, kw_only=True)
class CallCancelledError(HallmarkError):
    """The caller has gone, so the work was stopped; nobody reads this but the log."""

    status: ClassVar[str] = "CANCELLED"
    reason: ClassVar[str] = "CALL_CANCELLED"
    template: ClassVar[str] = "{what} was stopped, because its caller has gone."
    what: str


# --- What is there and what is not ---------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class NotFoundError(HallmarkError):
    status: ClassVar[str] = "NOT_FOUND"
    reason: ClassVar[str] = "NOT_FOUND"
    template: ClassVar[str] = "There is no {kind} {name}. {fix}"
    kind: str
    name: str
    fix: str


@dataclass(eq=False, kw_only=True)
class AlreadyExistsError(HallmarkError):
    status: ClassVar[str] = "ALREADY_EXISTS"
    reason: ClassVar[str] = "ALREADY_EXISTS"
    template: ClassVar[str] = "{kind} {name} is taken by {existing}. {fix}"
    kind: str
    name: str
    existing: str
    fix: str


@dataclass(eq=False, kw_only=True)
class BytesMissingError(HallmarkError):
    """Digests that the caller may not refer to: not stored, or not theirs to know of."""

    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "BYTES_MISSING"
    template: ClassVar[str] = (
        "{count} files have no bytes here that you may refer to, first {path} (sha256 {sha256}). "
        "Send them through an upload session: hallmark push does"
    )
    count: int
    path: str
    sha256: str


# --- The state of things forbids it --------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class StaleEtagError(HallmarkError):
    status: ClassVar[str] = "ABORTED"
    reason: ClassVar[str] = "STALE_ETAG"
    template: ClassVar[str] = (
        "{name} changed since you read it: its etag is {found}, you sent {sent}. "
        "Read it again, apply your change to what is there now, and retry."
    )
    name: str
    found: str
    sent: str


@dataclass(eq=False, kw_only=True)
class TargetMovedError(HallmarkError):
    """A conditional move found another target than the caller expected."""

    status: ClassVar[str] = "ABORTED"
    reason: ClassVar[str] = "TARGET_MOVED"
    template: ClassVar[str] = (
        "{name} points to {found}, you expected {expected}. "
        "Resolve it again and decide whether the move is still right."
    )
    name: str
    found: str
    expected: str


@dataclass(eq=False, kw_only=True)
class ConflictError(HallmarkError):
    """The database gave up on two writers of the same rows; nothing was changed."""

    status: ClassVar[str] = "ABORTED"
    reason: ClassVar[str] = "CONFLICT"
    template: ClassVar[str] = "{what} was changed by somebody else at the same time. Retry."
    what: str


@dataclass(eq=False, kw_only=True)
class InvalidStateError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "INVALID_STATE"
    template: ClassVar[str] = (
        "{name} cannot {action}: it is {found}, which must be one of {allowed}. {fix}"
    )
    name: str
    action: str
    found: str
    allowed: str
    fix: str

    @property
    def precondition_violations(self) -> tuple[PreconditionViolation, ...]:
        return (
            PreconditionViolation(
                type="STATE",
                subject=self.name,
                description=f"found {self.found}, allowed {self.allowed}",
                fix=self.fix,
            ),
        )


@dataclass(eq=False, kw_only=True)
class PolicyRefusedError(HallmarkError):
    """A gate said no. Every failed rule is a violation with its message and its mend."""

    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "POLICY_REFUSED"
    template: ClassVar[str] = (
        "Refused by policy {gate} for {subject} ({failed} of {total} rules): {summary} "
        "Nothing changed."
    )
    gate: str
    subject: str
    failed: int
    total: int
    summary: str
    policy_digest: str
    violations: tuple[PreconditionViolation, ...] = ()

    @property
    def precondition_violations(self) -> tuple[PreconditionViolation, ...]:
        return self.violations


@dataclass(eq=False, kw_only=True)
class UploadIncompleteError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "UPLOAD_INCOMPLETE"
    template: ClassVar[str] = (
        "{upload} still lacks the bytes of {count} files, first {path}. "
        "Send them (GetUpload gives the addresses), then try again."
    )
    upload: str
    count: int
    path: str


@dataclass(eq=False, kw_only=True)
class NotEmptyError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "IN_USE"
    template: ClassVar[str] = "{name} cannot {action}: {holder} still needs it. {fix}"
    name: str
    holder: str
    fix: str
    action: str = "be deleted"


@dataclass(eq=False, kw_only=True)
class LastAdminError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "LAST_ADMIN"
    template: ClassVar[str] = (
        "{principal} is the only enabled principal with role admin on '*' and cannot lose it: "
        "nobody could administer the registry any more. Grant it to somebody else first."
    )
    principal: str


@dataclass(eq=False, kw_only=True)
class AlreadyInStageError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "ALREADY_IN_STAGE"
    template: ClassVar[str] = (
        "{version} is in {stage} already, since {since}. Nothing is left to do; if you meant "
        "another version, name that one."
    )
    version: str
    stage: str
    since: str


@dataclass(eq=False, kw_only=True)
class NothingBeforeError(HallmarkError):
    """A rollback to what was never in the stage."""

    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "NOTHING_BEFORE"
    template: ClassVar[str] = (
        "{stage} cannot be rolled back to {wanted}: found {found}. "
        "See what was there: hallmark history {model} {name}"
    )
    stage: str
    wanted: str
    found: str
    model: str
    name: str


@dataclass(eq=False, kw_only=True)
class LineageCycleError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "LINEAGE_CYCLE"
    template: ClassVar[str] = (
        "{child} cannot be derived from {parent}: {parent} is itself derived from {child}. "
        "Check which of the two came first: hallmark lineage {parent}"
    )
    child: str
    parent: str


# --- Bytes ---------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class DigestMismatchError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "DIGEST_MISMATCH"
    template: ClassVar[str] = (
        "{what}: the bytes received hash to sha256 {found}, announced was {expected}. "
        "They were thrown away; if the file changed meanwhile, start again with its new digest."
    )
    what: str
    found: str
    expected: str


@dataclass(eq=False, kw_only=True)
class SizeMismatchError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "SIZE_MISMATCH"
    template: ClassVar[str] = "{what}: found {found} bytes, announced were {expected}. {fix}"
    what: str
    found: int
    expected: int
    fix: str


@dataclass(eq=False, kw_only=True)
class OffsetMismatchError(HallmarkError):
    status: ClassVar[str] = "ABORTED"
    reason: ClassVar[str] = "OFFSET_MISMATCH"
    template: ClassVar[str] = (
        "{what}: {stored} bytes are stored, you wanted to go on at {offset}. "
        "Ask for the offset (HEAD on the upload's address) and go on there."
    )
    what: str
    stored: int
    offset: int


@dataclass(eq=False, kw_only=True)
class UploadBusyError(HallmarkError):
    status: ClassVar[str] = "ABORTED"
    reason: ClassVar[str] = "UPLOAD_BUSY"
    template: ClassVar[str] = (
        "{what}: another request is {doing} it right now. Wait until that one ends, "
        "ask for the offset (HEAD on the upload's address) and go on there."
    )
    what: str
    doing: str


@dataclass(eq=False, kw_only=True)
class RangeNotSatisfiableError(HallmarkError):
    status: ClassVar[str] = "OUT_OF_RANGE"
    reason: ClassVar[str] = "RANGE_NOT_SATISFIABLE"
    template: ClassVar[str] = "{what}: range {found} lies outside its {size} bytes."
    what: str
    found: str
    size: int


@dataclass(eq=False, kw_only=True)
class StorageFullError(HallmarkError):
    status: ClassVar[str] = "RESOURCE_EXHAUSTED"
    reason: ClassVar[str] = "STORAGE_FULL"
    template: ClassVar[str] = (
        "{what}: the server's {store} has no room left ({cause}). Nothing was changed. "
        "Its operator has to free or add space; then retry, what arrived so far is kept."
    )
    what: str
    store: str
    cause: str


@dataclass(eq=False, kw_only=True)
class StorageError(HallmarkError):
    """The store failed in a way that a retry may mend: read-only, I/O error, network."""

    status: ClassVar[str] = "UNAVAILABLE"
    reason: ClassVar[str] = "STORAGE_UNAVAILABLE"
    template: ClassVar[str] = "{what}: the server's {store} failed ({cause}). {fix}"
    what: str
    store: str
    cause: str
    fix: str = "Nothing was changed; retry, and tell its operator if it persists."


@dataclass(eq=False, kw_only=True)
class CorruptBytesError(HallmarkError):
    status: ClassVar[str] = "DATA_LOSS"
    reason: ClassVar[str] = "CORRUPT_BYTES"
    template: ClassVar[str] = (
        "sha256 {sha256}: what is stored is damaged ({problem}). "
        "Restore it from a backup, or push the same file again."
    )
    sha256: str
    problem: str


# --- The database and the start ------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class DatabaseUnavailableError(HallmarkError):
    status: ClassVar[str] = "UNAVAILABLE"
    reason: ClassVar[str] = "DATABASE_UNAVAILABLE"
    template: ClassVar[str] = "The database did not answer ({cause}). Nothing was changed; {fix}"
    cause: str
    fix: str = "retry."


@dataclass(eq=False, kw_only=True)
class OutcomeUnknownError(HallmarkError):
    """The connection was lost between sending COMMIT and its answer."""

    status: ClassVar[str] = "UNAVAILABLE"
    reason: ClassVar[str] = "OUTCOME_UNKNOWN"
    template: ClassVar[str] = (
        "The database went away while it stored the change ({cause}), so the change may or may "
        "not have been made. Read what is there now, or repeat the request with its request_id."
    )
    cause: str


@dataclass(eq=False, kw_only=True)
class SchemaMismatchError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "SCHEMA_MISMATCH"
    template: ClassVar[str] = (
        "The database has schema {found}, this release knows up to {expected}. {fix}"
    )
    found: str
    expected: str
    fix: str


@dataclass(eq=False, kw_only=True)
class StartError(HallmarkError):
    """The server cannot start: a port in use, a second server on one file, a wrong setting."""

    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "CANNOT_START"
    template: ClassVar[str] = "{what}: {found}. {fix}"
    what: str
    found: str
    fix: str


@dataclass(eq=False, kw_only=True)
class AuditBrokenError(HallmarkError):
    status: ClassVar[str] = "DATA_LOSS"
    reason: ClassVar[str] = "AUDIT_BROKEN"
    template: ClassVar[str] = (
        "The audit log is not intact: shard {shard}, event {number}: {problem}. "
        "Compare with an exported checkpoint and restore from a backup."
    )
    shard: int
    number: int
    problem: str
