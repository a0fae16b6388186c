"""Events: the audit log, listed and verified."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

from registry.domain.access import REGISTRY_WIDE, Action, Caller
from registry.domain.canonical import canonical_json
from registry.domain.events import (
    GENESIS,
    SHARDS,
    SYSTEM,
    ChainSummary,
    Event,
    Head,
    problem_of,
)
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.errors import (
    AuditBrokenError,
    CallCancelledError,
    InvalidFieldError,
    QuotaError,
)
from registry.names import PrincipalName
from registry.names.text import show
from registry.ports.database import Database, Transaction
from registry.ports.tables import EventQuery
from registry.services.fields import check_text
from registry.services.specs import may_read

#: How many events are held at once while the log is verified.
VERIFY_ROWS = 500
#: Below every number that a table can hold.
NUMBER_MIN = -(2**63)
#: In place of a name that is not shown.
HIDDEN = "hidden"
#: Events that name versions of other namespaces.
_NAMES_BASES = ("version.create", "lineage.create", "lineage.delete")


class EventService:
    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._verifying = threading.Lock()

    def list(
        self, caller: Caller, query: EventQuery, order_by: str, page: PageRequest
    ) -> Page[Event]:
        """Events of one namespace, or of everything where the query names none."""
        namespace = query.namespace
        parent = f"namespaces/{'-' if namespace is None else namespace}"
        if namespace is None:
            # Nothing is left out of the log, so who may not read all of it asks for a part.
            caller.require_everywhere(Action.EVENT_READ, parent)
        else:
            caller.require(Action.EVENT_READ, namespace, parent)
        checked = _checked(query, order_by)
        of = fingerprint("events", checked)
        after = decode_token(page.token, of, int, int, int)
        limit = page.limit()
        read = self._database.read(lambda tx: tx.events.list(checked, after, limit + 1))
        found = [_shown_to(caller, event) for event in read]
        return page_of(found, limit, lambda e: (e.time_us, e.shard, e.number), of)

    def verify(self, caller: Caller, is_active: Callable[[], bool]) -> ChainSummary:
        """Recompute the whole log, one caller at a time. Raises as verify_chain, and QuotaError."""
        caller.require(Action.EVENT_READ, REGISTRY_WIDE, "the audit log")
        if not self._verifying.acquire(blocking=False):
            raise QuotaError(
                what="Verifications of the audit log",
                found=2,
                limit=1,
                fix="Wait until the one that runs has ended.",
            )
        try:
            return verify_chain(self._database, is_active)
        finally:
            self._verifying.release()


def _shown_to(caller: Caller, event: Event) -> Event:
    """The event, without the names of versions of others that the caller may not read.

    What it says then no longer hashes to its hash; who audits the chain reads all namespaces.
    """
    if event.action not in _NAMES_BASES:
        return event
    detail = json.loads(event.detail_json)
    parent, bases = detail.get("parent"), detail.get("bases")
    if isinstance(parent, str) and not may_read(caller, parent):
        detail["parent"] = HIDDEN
    if isinstance(bases, dict):
        shown = {name: kind for name, kind in bases.items() if may_read(caller, name)}
        if len(shown) < len(bases):
            detail["bases"] = shown
            detail["hidden_base_count"] = len(bases) - len(shown)
    return dataclasses.replace(event, detail_json=canonical_json(detail).decode())


def verify_chain(database: Database, is_active: Callable[[], bool] = lambda: True) -> ChainSummary:
    """Recompute every hash up to where the log ends now.

    Raises AuditBrokenError for the first bad record of the lowest shard that has one, and
    CallCancelledError soon after `is_active` turns false.
    """
    ends = database.snapshot(lambda tx: [_ends(tx, head) for head in _heads(tx)])
    for shard in ends:
        _verify_shard(database, shard, is_active)
    heads = [shard.head for shard in ends if shard.head.number]
    return ChainSummary(event_count=sum(head.number for head in heads), heads=tuple(heads))


@dataclass(frozen=True, kw_only=True)
class _Ends:
    """A shard as its head tells of it, and what stands where nothing should, all at one moment."""

    head: Head
    #: Numbers of an event before the first, and of one behind the last; None where there is none.
    before: int | None
    behind: int | None


def _heads(tx: Transaction) -> list[Head]:
    """Of all shards; one that is empty says so."""
    found = {shard: (number, hash) for shard, number, hash in tx.events.heads()}
    empty = (0, GENESIS)
    return [
        Head(shard=shard, number=number, hash=hash)
        for shard in range(SHARDS)
        for number, hash in [found.get(shard, empty)]
    ]


def _ends(tx: Transaction, head: Head) -> _Ends:
    first = tx.events.shard(head.shard, NUMBER_MIN, 1)
    behind = tx.events.shard(head.shard, head.number, 1)
    return _Ends(
        head=head,
        before=first[0].number if first and first[0].number < 1 else None,
        behind=behind[0].number if behind else None,
    )


def _verify_shard(database: Database, ends: _Ends, is_active: Callable[[], bool]) -> None:
    head = ends.head
    if ends.before is not None:
        before = "it stands before the first"
        raise AuditBrokenError(shard=head.shard, number=ends.before, problem=before)
    number, previous_hash = 0, GENESIS
    while number < head.number:
        if not is_active():
            raise CallCancelledError(what="Verifying the audit log")
        rows = _read(database, head.shard, number, min(VERIFY_ROWS, head.number - number))
        for event in rows:
            problem = problem_of(event, number=number + 1, previous_hash=previous_hash)
            if problem is not None:
                raise AuditBrokenError(shard=head.shard, number=number + 1, problem=problem)
            number, previous_hash = event.number, event.hash
        if not rows:
            problem = f"it is missing; the shard's head says that there are {head.number}"
            raise AuditBrokenError(shard=head.shard, number=number + 1, problem=problem)
    if previous_hash != head.hash:
        problem = "it is not the one that the shard's head names as the last"
        raise AuditBrokenError(shard=head.shard, number=number, problem=problem)
    if ends.behind is not None:
        # A list would show it, though it continues nothing.
        problem = f"it stands behind the last, which is {head.number} by the shard's head"
        raise AuditBrokenError(shard=head.shard, number=ends.behind, problem=problem)


def _read(database: Database, shard: int, after_number: int, limit: int) -> list[Event]:
    return list(database.read(lambda tx: tx.events.shard(shard, after_number, limit)))


def _checked(query: EventQuery, order_by: str) -> EventQuery:
    if order_by not in ("", "time desc", "time"):
        raise InvalidFieldError(
            field="order_by",
            found=show(order_by),
            expected="'time desc' (newest first) or 'time'",
            fix="Leave it out for the newest first.",
        )
    check_text("resource", query.resource, 512, one_line=True)
    check_text("action", query.action, 100, one_line=True)
    if query.actor not in ("", SYSTEM):
        PrincipalName.parse(query.actor, field="actor")
    return EventQuery(
        namespace=query.namespace,
        resource=query.resource,
        actor=query.actor,
        action=query.action,
        start_time_us=query.start_time_us,
        end_time_us=query.end_time_us,
        oldest_first=order_by == "time",
    )
