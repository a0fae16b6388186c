"""Who is asking, and whether they may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from registry.errors.base import HallmarkError


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
        "Roles that may: {roles} ({scope}). Ask an administrator of Hallmark."
    )
    principal: str
    action: str
    resource: str
    roles: str
    #: Where the role has to be held, and by whom where that matters.
    scope: str = "there"


@dataclass(eq=False, kw_only=True)
class TokenScopeError(HallmarkError):
    """About the caller's own tokens, which everybody may handle: only the token is too narrow."""

    status: ClassVar[str] = "PERMISSION_DENIED"
    reason: ClassVar[str] = "TOKEN_SCOPE"
    template: ClassVar[str] = (
        "Token {token} may not {action}: found scopes {scopes}, expected {expected}. "
        "Use another token: hallmark login URL"
    )
    token: str
    action: str
    scopes: str
    expected: str


@dataclass(eq=False, kw_only=True)
class NotIndependentError(HallmarkError):
    """A word that may be that of somebody who has a hand in what is decided on."""

    status: ClassVar[str] = "PERMISSION_DENIED"
    reason: ClassVar[str] = "NOT_INDEPENDENT"
    template: ClassVar[str] = "{principal} may not decide on {what}: {problem}. {fix}"
    principal: str
    what: str
    problem: str
    fix: str


@dataclass(eq=False, kw_only=True)
class TermsNotAcceptedError(HallmarkError):
    """Permission is there, and the model's terms come first."""

    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "TERMS_NOT_ACCEPTED"
    template: ClassVar[str] = (
        "{model} goes only to those who accepted its terms {label} ({terms}), and {principal} has "
        "no acceptance of them that counts now. Read them: hallmark access terms {path}; "
        "then: {fix}"
    )
    model: str
    path: str
    label: str
    terms: str
    principal: str
    fix: str


@dataclass(eq=False, kw_only=True)
class TicketError(HallmarkError):
    """A download or upload address that is forged, foreign, expired or no longer good."""

    status: ClassVar[str] = "PERMISSION_DENIED"
    reason: ClassVar[str] = "TICKET_REFUSED"
    template: ClassVar[str] = "This address cannot be used: {problem}. For a new address: {fix}"
    problem: str
    fix: str
