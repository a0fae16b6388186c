"""The base of all errors, the violations that some carry, and what blames nobody."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from registry.errors.redaction import redacted


@dataclass(frozen=True, kw_only=True)
class FieldViolation:
    """One thing wrong with a request: becomes google.rpc.BadRequest.FieldViolation."""

    field: str
    description: str

    def __post_init__(self) -> None:
        _redact(self)


@dataclass(frozen=True, kw_only=True)
class PreconditionViolation:
    """One unmet condition: becomes google.rpc.PreconditionFailure.Violation."""

    type: str
    subject: str
    description: str
    fix: str = ""

    def __post_init__(self) -> None:
        _redact(self)


@dataclass(eq=False, kw_only=True)
class HallmarkError(Exception):
    """Base of all errors that may reach a caller."""

    status: ClassVar[str] = "INTERNAL"
    reason: ClassVar[str] = "INTERNAL"
    template: ClassVar[str] = "Something failed inside the registry."

    def __post_init__(self) -> None:
        _redact(self)

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
        """What would have to hold; where the error is one unmet condition, that one."""
        if self.status != "FAILED_PRECONDITION":
            return ()
        return (PreconditionViolation(type=self.reason, subject=self.about, description=str(self)),)

    @property
    def about(self) -> str:
        """What the error is about: its first field."""
        return next(iter(self.metadata.values()), "")


def _redact(made: FieldViolation | PreconditionViolation | HallmarkError) -> None:
    """Hide secrets in all texts: what was found may be one that was sent to the wrong place."""
    for name, value in vars(made).items():
        if isinstance(value, str) and (hidden := redacted(value)) is not value:
            object.__setattr__(made, name, hidden)


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


@dataclass(eq=False, kw_only=True)
class CallCancelledError(HallmarkError):
    """The caller has gone, so the work was stopped; nobody reads this but the log."""

    status: ClassVar[str] = "CANCELLED"
    reason: ClassVar[str] = "CALL_CANCELLED"
    template: ClassVar[str] = "{what} was stopped, because its caller has gone."
    what: str
