"""A platform's token was not exchanged for one of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from registry.errors.base import HallmarkError


@dataclass(eq=False, kw_only=True)
class WorkloadRefusedError(HallmarkError):
    """`issuer` and `subject` are what the token claims, shortened; "" where it says nothing."""

    status: ClassVar[str] = "UNAUTHENTICATED"
    reason: ClassVar[str] = "WORKLOAD_REFUSED"
    template: ClassVar[str] = "This workload token was refused ({cause}): {problem}. {fix}"
    #: One of `registry.domain.workloads.Cause`.
    cause: str
    problem: str
    fix: str
    issuer: str = ""
    subject: str = ""


@dataclass(eq=False, kw_only=True)
class IssuerUnavailableError(HallmarkError):
    status: ClassVar[str] = "UNAVAILABLE"
    reason: ClassVar[str] = "ISSUER_UNAVAILABLE"
    template: ClassVar[str] = (
        "The keys of issuer {issuer} cannot be had just now, so none of its tokens can be checked. "
        "Retry in {retry_s} s; the server's log says what is wrong."
    )
    issuer: str
    retry_s: int
