"""Events: the audit log, listed and verified."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from collections.abc import Callable, Sequence

from registry.domain.access import REGISTRY_WIDE, Action, Caller
from registry.domain.canonical import canonical_json
from registry.domain.events import SYSTEM, ChainSummary, Event
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.errors import InvalidFieldError, QuotaError, TooLargeError
from registry.names import PrincipalName
from registry.names.text import show
from registry.ports.database import Database
from registry.ports.signing import SigningKeys
from registry.ports.tables import EventQuery
from registry.services.fields import check_text
from registry.services.specs import may_read
from registry.services.verification import verify_evidence

#: In place of a name that is not shown.
HIDDEN = "hidden"
#: Events that name versions of other namespaces.
_NAMES_BASES = ("version.create", "lineage.create", "lineage.delete")
#: So many notes fit into one message.
CHECKPOINTS_MAX = 1000
KEYS_MAX = 100
_KEY = re.compile(r"[0-9a-f]{64}")


class EventService:
    def __init__(self, *, database: Database, keys: SigningKeys) -> None:
        self._database = database
        self._keys = keys
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
        found = [shown_to(caller, event) for event in read]
        return page_of(found, limit, lambda e: (e.time_us, e.shard, e.number), of)

    def verify(
        self,
        caller: Caller,
        is_active: Callable[[], bool],
        *,
        checkpoints: Sequence[str] = (),
        public_keys: Sequence[str] = (),
    ) -> ChainSummary:
        """Recompute the whole log and compare it with its checkpoints, and with these notes.

        One caller at a time. Raises as verify_evidence, and QuotaError.
        """
        # Of what was denied it tells no more than how many records there are.
        caller.require(Action.EVENT_READ, REGISTRY_WIDE, "the audit log")
        _check_given(checkpoints, public_keys)
        if not self._verifying.acquire(blocking=False):
            raise QuotaError(
                what="Verifications of the audit log",
                found=2,
                limit=1,
                fix="Wait until the one that runs has ended.",
            )
        try:
            return verify_evidence(
                self._database,
                self._keys,
                given=checkpoints,
                trusted=public_keys,
                is_active=is_active,
            )
        finally:
            self._verifying.release()


def shown_to(caller: Caller, event: Event) -> Event:
    """The event, without the names of versions of others that the caller may not read."""
    return shown_where(event, lambda version: may_read(caller, version))


def shown_where(event: Event, is_shown: Callable[[str], bool]) -> Event:
    """The event, without the names of versions of others that are not to be shown.

    What it says then no longer hashes to its hash; who audits the chain reads all namespaces.
    """
    if event.action not in _NAMES_BASES:
        return event
    detail = json.loads(event.detail_json)
    parent, bases = detail.get("parent"), detail.get("bases")
    if isinstance(parent, str) and not is_shown(parent):
        detail["parent"] = HIDDEN
    if isinstance(bases, dict):
        shown = {name: kind for name, kind in bases.items() if is_shown(name)}
        if len(shown) < len(bases):
            detail["bases"] = shown
            detail["hidden_base_count"] = len(bases) - len(shown)
    return dataclasses.replace(event, detail_json=canonical_json(detail).decode())


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


def _check_given(checkpoints: Sequence[str], public_keys: Sequence[str]) -> None:
    if len(checkpoints) > CHECKPOINTS_MAX:
        raise TooLargeError(
            what="checkpoints",
            found=f"{len(checkpoints)} checkpoints",
            limit=f"{CHECKPOINTS_MAX} a request",
            fix="Give the newest, which vouch for those before them.",
        )
    for key in public_keys[:KEYS_MAX]:
        if not _KEY.fullmatch(key):
            raise InvalidFieldError(
                field="public_keys",
                found=show(key),
                expected="an Ed25519 key as 64 hex digits in lower case",
                fix="Take it from hallmark audit keys --json.",
            )
    if len(public_keys) > KEYS_MAX:
        raise TooLargeError(
            what="public_keys",
            found=f"{len(public_keys)} keys",
            limit=f"{KEYS_MAX} a request",
            fix="Give those that you believe.",
        )
