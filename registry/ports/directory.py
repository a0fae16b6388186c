"""The company's directory: who people are, whether a password is theirs, which groups they hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from registry.domain.access import Caller
from registry.domain.directory import Account, LookedUp, Step


class Directory(Protocol):
    """Threads share one. Nothing is kept open between calls.

    Each method raises DirectoryUnavailableError where the directory cannot be asked, or answers in
    a way from which nothing can be concluded; then nobody is let in.
    """

    @property
    def name(self) -> str:
        """What accounts are bound to beside their stable id."""

    def authenticate(
        self, user: str, password: str, *, admit: Callable[[str], None]
    ) -> Account | None:
        """The account whose password this is, disabled or not; None where there is none.

        Text that is no user name or password (empty, blank, too long, with control characters) is
        None without asking anybody. `admit` is called with the account's stable id before the
        password is tried, and may raise to keep it from being tried. A password that was right may
        be taken for right for a minute without asking again.
        """

    def look_up(self, stable_ids: Sequence[str]) -> LookedUp:
        """Accounts as they are now, never from memory; LOOK_UP_MAX at most.

        One of whom nothing can be concluded keeps none of the others from being found.
        """

    def probe(self, user: str = "") -> Sequence[Step]:
        """Try each step that a login takes, without a password, and say what was asked.

        Steps that depend on one that failed are left out. Raises nothing.
        """


class FreshGroups(Protocol):
    """What is asked of the directory before somebody's word counts."""

    def refreshed(self, caller: Caller) -> Caller:
        """The caller with the groups of this moment.

        Principals that no directory knows pass unchanged. Raises DirectoryUnavailableError where
        it cannot be asked, UnauthenticatedError where the account is disabled or gone.
        """


class AsRemembered:
    """Takes groups as they were when they were last read: where there is no directory."""

    def refreshed(self, caller: Caller) -> Caller:
        return caller
