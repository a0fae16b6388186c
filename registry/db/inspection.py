"""What a check of the whole registry reads."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select

from registry.db.prepared import PreparedConnection
from registry.db.tables import decisions, manifests, promotions, reviews, stage_periods, versions
from registry.db.version_rows import select_versions, version_of
from registry.domain.promotions import Outcome, PromotionState
from registry.domain.versions import Version, VersionState
from registry.ports.tables import StageFact

_MANIFESTS = (
    select(manifests.c.digest)
    .where(manifests.c.digest > bindparam("after"))
    .order_by(manifests.c.digest)
    .limit(bindparam("limit"))
)
_VERSIONS = (
    select_versions()
    .where(versions.c.key > bindparam("after"))
    .order_by(versions.c.key)
    .limit(bindparam("limit"))
)
_APPROVALS = (
    select(func.count())
    .select_from(decisions)
    .where(
        decisions.c.promotion == stage_periods.c.promotion,
        decisions.c.outcome == Outcome.APPROVE.value,
        decisions.c.digest == stage_periods.c.digest,
    )
    .correlate(stage_periods)
    .scalar_subquery()
)
# Of a move past the decisions asked for; its review stands in for them.
_REVIEWS = (
    select(func.count())
    .select_from(reviews)
    .where(reviews.c.promotion == stage_periods.c.promotion)
    .correlate(stage_periods)
    .scalar_subquery()
)
_OPEN = (
    select(
        versions.c.model,
        stage_periods.c.stage,
        versions.c.number,
        versions.c.state,
        promotions.c.state.label("promotion_state"),
        (_APPROVALS + _REVIEWS).label("approvals"),
    )
    .join(versions, versions.c.key == stage_periods.c.version_key)
    .outerjoin(promotions, promotions.c.number == stage_periods.c.promotion)
    .where(stage_periods.c.end_time_us.is_(None))
    .order_by(versions.c.model, stage_periods.c.stage)
)


class SqlInspection:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def problems(self) -> Sequence[str]:
        # PostgreSQL keeps foreign keys by itself, and its pages are checked by its own tools.
        if self._connection.dialect.name != "sqlite":
            return ()
        found = [
            str(row[0])
            for row in self._connection.exec_driver_sql("PRAGMA integrity_check")
            if row[0] != "ok"
        ]
        found += [
            f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there"
            for row in self._connection.exec_driver_sql("PRAGMA foreign_key_check")
        ]
        return found

    def manifests(self, after: str, limit: int) -> Sequence[str]:
        rows = self._connection.execute(_MANIFESTS, {"after": after, "limit": limit})
        return [row.digest for row in rows]

    def versions(self, after_key: int, limit: int) -> Sequence[Version]:
        rows = self._connection.execute(_VERSIONS, {"after": after_key, "limit": limit})
        return [version_of(row) for row in rows]

    def open_stages(self) -> Sequence[StageFact]:
        return [
            StageFact(
                model=row.model,
                stage=row.stage,
                version_number=row.number,
                version_state=VersionState(row.state),
                approvals=row.approvals,
                promotion_state=PromotionState(row.promotion_state)
                if row.promotion_state
                else None,
            )
            for row in self._connection.execute(_OPEN)
        ]
