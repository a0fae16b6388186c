"""The tables of exceptions and of what waits for people; see `database.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from registry.domain.access import Reach
from registry.domain.pages import Cursor
from registry.domain.policy_sets import PolicyChange
from registry.domain.promotions import Decision, Promotion
from registry.domain.reviews import Review
from registry.domain.terms import Acceptance
from registry.domain.versions import Version
from registry.domain.waivers import Waiver, WaiverState


class Waivers(Protocol):
    def insert(self, waiver: Waiver) -> Waiver:
        """The stored value with its number."""

    def get(self, number: int) -> Waiver | None: ...

    def lock(self, number: int) -> Waiver | None: ...

    def list(
        self,
        *,
        reach: Reach,
        model: str,
        state: WaiverState | None,
        rule: str,
        now_us: int,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Waiver]:
        """Newest first by number, behind `after` = (number,). `state` as it is at `now_us`. With
        an empty model, those of namespaces that a pattern covers."""

    def pending(self, model_key: int, rule: str, now_us: int) -> Sequence[Waiver]:
        """Those of a model and a rule that nobody has decided on yet."""

    def live(self, version: Version, stage: str, now_us: int) -> Sequence[Waiver]:
        """Those by which a gate may take a rule for passed, by number: granted for this version or
        its model, and for this stage or all, and still running. See `Waiver.counts_for`."""

    def set_state(
        self, number: int, state: WaiverState, *, decision: Decision | None, end_time_us: int | None
    ) -> None: ...

    def overdue(self, now_us: int, limit: int) -> Sequence[Waiver]:
        """Those, pending or granted, whose time has run out."""


@dataclass(frozen=True, kw_only=True)
class WaitingQuery:
    """Which of what waits, in order of due time, then number."""

    #: What may be shown, and asked for by this principal if any.
    reach: Reach
    requester: str = ""
    #: Due from this time on; at this very time only those with a greater number.
    from_us: int
    after_number: int = 0
    limit: int


class Inbox(Protocol):
    """What waits for people, read over all nouns alike."""

    def promotions(self, query: WaitingQuery) -> Sequence[Promotion]: ...

    def waivers(self, query: WaitingQuery) -> Sequence[Waiver]: ...

    def acceptances(self, query: WaitingQuery) -> Sequence[Acceptance]: ...

    def reviews(self, query: WaitingQuery) -> Sequence[Review]: ...

    def policy_changes(self, query: WaitingQuery) -> Sequence[PolicyChange]:
        """They belong to no namespace, so the query's reach is no matter."""
