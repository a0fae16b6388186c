"""The table of reviews; see `database.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from registry.domain.access import Reach
from registry.domain.pages import Cursor
from registry.domain.promotions import Decision
from registry.domain.reviews import Review, ReviewState


class Reviews(Protocol):
    def insert(self, review: Review) -> Review:
        """The stored value with its number."""

    def get(self, number: int) -> Review | None: ...

    def lock(self, number: int) -> Review | None: ...

    def list(
        self,
        *,
        reach: Reach,
        model: str,
        state: ReviewState | None,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Review]:
        """Newest first by number, behind `after` = (number,). With an empty model, those of
        namespaces that a pattern covers."""

    def of_promotion(self, promotion: int) -> Review | None:
        """The review of the promotion with this number, if it broke the glass."""

    def overdue_of(self, requester: str, now_us: int) -> Review | None:
        """The pending one of who broke the glass that has been due longest, if any is."""

    def overdue(self, now_us: int, limit: int) -> Sequence[Review]:
        """Pending ones that are due and not yet marked so."""

    def mark_overdue(self, number: int, time_us: int) -> None: ...

    def set_state(
        self,
        number: int,
        state: ReviewState,
        *,
        decisions: tuple[Decision, ...],
        end_time_us: int | None,
    ) -> None: ...
