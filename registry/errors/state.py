"""What is there and what is not, and what the state of things forbids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from registry.errors.base import HallmarkError, PreconditionViolation


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
    template: ClassVar[str] = "{name} cannot {action}: it is {found}, expected {allowed}. {fix}"
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
                description=f"found {self.found}, expected {self.allowed}",
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
    #: What the failed rules' placeholders stood for: "RULE: expression = value; ...".
    bound: str = ""
    #: Those of the failed rules that decisions will satisfy: "FOUR-EYES, LIC-2".
    waiting: str = ""
    violations: tuple[PreconditionViolation, ...] = ()

    @property
    def precondition_violations(self) -> tuple[PreconditionViolation, ...]:
        return self.violations


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
