"""The request itself is wrong, or asks for too much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from registry.errors.base import FieldViolation, HallmarkError


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
    template: ClassVar[str] = "Problems found: {count}. {summary}"
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
    template: ClassVar[str] = "{what}: found {found}, expected at most {limit}. {fix}"
    #: The field's path, where it is one field that is too large.
    what: str
    found: str
    limit: str
    fix: str

    @property
    def field_violations(self) -> tuple[FieldViolation, ...]:
        return (
            FieldViolation(
                field=self.what,
                description=f"found {self.found}, expected at most {self.limit}. {self.fix}",
            ),
        )


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


@dataclass(eq=False, kw_only=True)
class RateLimitedError(HallmarkError):
    """Refused before anything was done. `retry_after_s` is when the next one is allowed."""

    status: ClassVar[str] = "RESOURCE_EXHAUSTED"
    reason: ClassVar[str] = "RATE_LIMITED"
    template: ClassVar[str] = (
        "{what}: found more than the {limit} that are allowed. Retry in {retry_after_s} s."
    )
    what: str
    limit: str
    retry_after_s: int
