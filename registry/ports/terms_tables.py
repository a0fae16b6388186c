"""The tables of terms and of who accepted them; see `database.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from registry.domain.access import Reach
from registry.domain.pages import Cursor
from registry.domain.promotions import Decision
from registry.domain.terms import Acceptance, AcceptanceState, Terms


class TermsTable(Protocol):
    def current(self, model: str) -> Terms | None:
        """What the model asks for now; None where it has no terms, or is not there."""

    def find(self, model: str, digest: str) -> Terms | None:
        """The newest terms of this digest that the model asks for or once did."""

    def put(self, terms: Terms) -> None:
        """Keep the terms, and have the model ask for them from now on."""

    def clear(self, model_key: int) -> None:
        """The model asks for none; what it asked for is kept."""


class Acceptances(Protocol):
    def insert(self, acceptance: Acceptance) -> Acceptance:
        """The stored value with its number."""

    def get(self, number: int) -> Acceptance | None: ...

    def lock(self, number: int) -> Acceptance | None: ...

    def open_of(
        self, model_key: int, principal: str, terms_digest: str, now_us: int
    ) -> Acceptance | None:
        """The one of a principal for these terms that is granted and runs, else one that waits."""

    def list(
        self,
        *,
        reach: Reach,
        model: str,
        principal: str,
        state: AcceptanceState | None,
        now_us: int,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Acceptance]:
        """Newest first by number, behind `after` = (number,). `state` as it is at `now_us`. With
        an empty model, those of namespaces that a pattern covers."""

    def set_state(
        self,
        number: int,
        state: AcceptanceState,
        *,
        decision: Decision | None,
        expire_time_us: int,
        end_time_us: int | None,
    ) -> None: ...

    def overdue(self, now_us: int, limit: int) -> Sequence[Acceptance]:
        """Those, pending or granted, whose time has run out."""
