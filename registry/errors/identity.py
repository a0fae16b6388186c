"""Who logs in, and what the directory says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from registry.errors.base import HallmarkError


@dataclass(eq=False, kw_only=True)
class LoginRefusedError(HallmarkError):
    """`problem` never says whether there is such a user."""

    status: ClassVar[str] = "UNAUTHENTICATED"
    reason: ClassVar[str] = "LOGIN_REFUSED"
    template: ClassVar[str] = "Nobody was logged in: {problem} {fix}"
    problem: str = "user name or password is wrong."
    fix: str = "Try again, or have the password reset where the company does that."


@dataclass(eq=False, kw_only=True)
class LoginThrottledError(HallmarkError):
    status: ClassVar[str] = "RESOURCE_EXHAUSTED"
    reason: ClassVar[str] = "LOGIN_THROTTLED"
    template: ClassVar[str] = (
        "Nobody was logged in: too many wrong passwords, so this one was not tried. "
        "Log in again after {retry_time}."
    )
    retry_time: str


@dataclass(eq=False, kw_only=True)
class LoginBusyError(HallmarkError):
    status: ClassVar[str] = "RESOURCE_EXHAUSTED"
    reason: ClassVar[str] = "LOGIN_BUSY"
    template: ClassVar[str] = (
        "Nobody was logged in: {at_once} logins are under way here, and no more are tried at once. "
        "Log in again in a moment."
    )
    at_once: int


@dataclass(eq=False, kw_only=True)
class LoginInsecureError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "LOGIN_INSECURE"
    template: ClassVar[str] = (
        "Nobody was logged in: the connection from {address} is not encrypted, and the password "
        "could be read on its way. Reach the server by https:// or grpcs://, and change the "
        "password that was sent."
    )
    address: str


@dataclass(eq=False, kw_only=True)
class LoginNameTakenError(HallmarkError):
    """The directory's name means somebody else here: of another origin, or an earlier account."""

    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "LOGIN_NAME_TAKEN"
    template: ClassVar[str] = (
        "Nobody was logged in: {principal} is not the directory's account {user}, but {holder}. "
        "Have the account renamed in the directory; names here are never given to somebody else."
    )
    principal: str
    user: str
    holder: str


@dataclass(eq=False, kw_only=True)
class NoDirectoryError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "NO_DIRECTORY"
    template: ClassVar[str] = (
        "{what} needs the company's directory, and this server knows none. {fix}"
    )
    what: str
    fix: str


@dataclass(eq=False, kw_only=True)
class DirectoryUnavailableError(HallmarkError):
    status: ClassVar[str] = "UNAVAILABLE"
    reason: ClassVar[str] = "DIRECTORY_UNAVAILABLE"
    template: ClassVar[str] = (
        "The directory could not be asked: {found}. Nobody is logged in, and nobody of the "
        "directory decides, until it can; tokens stay good until they expire. More is said, on the "
        "server's machine, by: hallmark auth test"
    )
    found: str
