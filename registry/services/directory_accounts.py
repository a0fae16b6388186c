"""What is kept of the directory's accounts: read again when somebody decides, and now and then."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from registry.domain.access import Caller, PrincipalKind
from registry.domain.directory import LOOK_UP_MAX, Account, DirectoryAccount, Standing
from registry.domain.events import SYSTEM, EventDraft
from registry.errors import (
    ConflictError,
    DirectoryUnavailableError,
    NoDirectoryError,
)
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.directory import Directory
from registry.services.authentication import Authenticator, require_active

logger = logging.getLogger(__name__)

#: So many pages in a row that cannot be looked up mean that the directory is down.
FAILURES_MAX = 3


class AccountKeeper:
    """Implements `ports.directory.FreshGroups`. What was read later replaces what was earlier."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        authenticator: Authenticator,
        directory: Directory | None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator
        self._directory = directory

    def refreshed(self, caller: Caller) -> Caller:
        key = caller.principal.key
        if caller.principal.kind is PrincipalKind.ROBOT:
            return caller
        kept = self._database.read(lambda tx: tx.directory_accounts.of_principal(key))
        if kept is None:
            return caller
        now = self._look_up(kept)
        require_active(now)
        return self._authenticator.with_account(caller, now)

    def refresh_all(self) -> int:
        """Look every account up; of how many something was found. Where the directory is down,
        nothing changes.

        Raises DirectoryUnavailableError once it is taken for down.
        """
        if self._directory is None:
            return 0
        count = failures = after = 0
        while page := self._page(after):
            after = page[-1].key
            try:
                count += len(self._refresh(self._directory, page))
                failures = 0
            except DirectoryUnavailableError as error:
                failures += 1
                if failures == FAILURES_MAX:
                    raise
                logger.warning("%d accounts could not be looked up: %s", len(page), error)
        return count

    def _page(self, after_key: int) -> Sequence[DirectoryAccount]:
        return self._database.read(lambda tx: tx.directory_accounts.list(after_key, LOOK_UP_MAX))

    def _look_up(self, kept: DirectoryAccount) -> DirectoryAccount:
        if self._directory is None or self._directory.name != kept.directory:
            raise NoDirectoryError(
                what=f"What principals/{kept.principal} decides",
                fix="Have somebody decide who is not of the directory, or set HALLMARK_LDAP_URLS.",
            )
        try:
            refreshed = self._refresh(self._directory, [kept])
        except DirectoryUnavailableError as error:
            raise without_details() from error
        if not refreshed:
            raise without_details()
        return refreshed[0]

    def _refresh(
        self, directory: Directory, kept: Sequence[DirectoryAccount]
    ) -> list[DirectoryAccount]:
        """Look these up and store what was found; those of whom nothing is clear stay out."""
        # Before it is asked: what changes there meanwhile may not be in the answer.
        now = self._clock.now_us()
        found = directory.look_up([each.stable_id for each in kept])
        for each in kept:
            if why := found.unclear.get(each.stable_id):
                logger.warning("account of principals/%s: %s", each.principal, why)
        clear = [each for each in kept if each.stable_id not in found.unclear]
        read = [as_read(each, found.accounts.get(each.stable_id), now_us=now) for each in clear]
        return self._store(clear, read)

    def _store(
        self, kept: Sequence[DirectoryAccount], read: Sequence[DirectoryAccount]
    ) -> list[DirectoryAccount]:
        """As they are stored then. `kept` is how they were, for the events."""
        before = {each.key: each for each in kept}

        def fn(tx: Transaction) -> list[DirectoryAccount]:
            return [store(tx, before[each.key], each) for each in read]

        stored = self._database.write(fn) if read else []
        if any(differs(before[each.key], each) for each in stored):
            self._authenticator.forget()
        return stored


def without_details() -> DirectoryUnavailableError:
    """What callers are told: names of servers and of entries are for the log, which has the cause
    too."""
    return DirectoryUnavailableError(found="it does not answer as it should")


def as_read(kept: DirectoryAccount, account: Account | None, *, now_us: int) -> DirectoryAccount:
    """What is to be kept after a look into the directory, of which None is "gone"."""
    if account is None:
        return dataclasses.replace(kept, standing=Standing.GONE, groups=(), read_time_us=now_us)
    return dataclasses.replace(
        kept,
        user=account.user,
        groups=account.groups,
        standing=Standing.DISABLED if account.disabled else Standing.ACTIVE,
        read_time_us=account.read_time_us,
    )


def store(tx: Transaction, kept: DirectoryAccount, read: DirectoryAccount) -> DirectoryAccount:
    """Store what was read, with an event of what it changes, unless what is there was read later;
    what is there then."""
    if not tx.directory_accounts.update(read):
        found = tx.directory_accounts.of_principal(kept.principal_key)
        if found is None:
            raise ConflictError(what=f"The account of principals/{kept.principal}")
        return found
    if kept.groups != read.groups:
        detail: dict[str, object] = {"before": list(kept.groups), "groups": list(read.groups)}
        tx.events.append(_event("identity.groups_changed", kept, detail))
    if kept.standing is not read.standing:
        detail = {"before": kept.standing.value, "standing": read.standing.value}
        tx.events.append(_event("identity.standing_changed", kept, detail))
    return read


def differs(one: DirectoryAccount, other: DirectoryAccount) -> bool:
    """Whether what is remembered of the one may be wrong for the other."""
    return (one.groups, one.standing) != (other.groups, other.standing)


def _event(action: str, account: DirectoryAccount, detail: dict[str, object]) -> EventDraft:
    return EventDraft(
        action=action,
        resource=f"principals/{account.principal}",
        namespace="",
        actor=SYSTEM,
        detail=detail,
    )
