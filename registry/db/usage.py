"""Usage: downloads by version and principal, likes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, case, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql

from registry.db.prepared import PreparedConnection
from registry.db.references import target_name
from registry.db.tables import download_counts, downloads, likes, models, versions
from registry.domain.usage import PrincipalUsage, VersionUsage

_FIRST_TIME = (
    postgresql.insert(downloads)
    .on_conflict_do_nothing(index_elements=["id"])
    .returning(downloads.c.version_key)
)
_count = postgresql.insert(download_counts)
_COUNT = _count.on_conflict_do_update(
    index_elements=["version_key", "principal"],
    set_={
        "download_count": download_counts.c.download_count + 1,
        "last_time_us": case(
            (
                _count.excluded.last_time_us > download_counts.c.last_time_us,
                _count.excluded.last_time_us,
            ),
            else_=download_counts.c.last_time_us,
        ),
    },
)
_COUNT_IN_MODEL = (
    update(models)
    .where(
        models.c.key
        == select(versions.c.model_key)
        .where(versions.c.key == bindparam("version_key"))
        .scalar_subquery()
    )
    .values(download_count=models.c.download_count + 1)
)
_BY_VERSION = (
    select(
        versions.c.model,
        versions.c.number,
        func.sum(download_counts.c.download_count).label("download_count"),
        func.max(download_counts.c.last_time_us).label("last_time_us"),
    )
    .join_from(download_counts, versions, versions.c.key == download_counts.c.version_key)
    .where(versions.c.model_key == bindparam("model_key"))
    .group_by(versions.c.model, versions.c.number)
    .order_by(versions.c.number.desc())
    .limit(bindparam("limit"))
)
_BY_PRINCIPAL = (
    select(
        versions.c.model,
        versions.c.number,
        download_counts.c.principal,
        download_counts.c.download_count,
        download_counts.c.last_time_us,
    )
    .join_from(download_counts, versions, versions.c.key == download_counts.c.version_key)
    .where(versions.c.model_key == bindparam("model_key"))
    .order_by(
        download_counts.c.last_time_us.desc(),
        download_counts.c.principal,
        versions.c.number.desc(),
    )
    .limit(bindparam("limit"))
)
_LIKE = (
    postgresql.insert(likes)
    .on_conflict_do_nothing(index_elements=["model_key", "principal"])
    .returning(likes.c.model_key)
)
_mine = (likes.c.model_key == bindparam("model_key"), likes.c.principal == bindparam("principal"))
_UNLIKE = delete(likes).where(*_mine)
_LIKED = select(exists().where(*_mine))
_COUNT_LIKES = (
    update(models)
    .where(models.c.key == bindparam("model_key"))
    .values(like_count=models.c.like_count + bindparam("step"))
)
_LIKES = select(models.c.like_count).where(models.c.key == bindparam("model_key"))


class SqlUsage:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def record_download(self, id: str, version_key: int, principal: str, time_us: int) -> bool:
        first_time = self._connection.execute(
            _FIRST_TIME,
            {"id": id, "version_key": version_key, "principal": principal, "time_us": time_us},
        ).first()
        if first_time is None:
            return False
        self._connection.execute_later(
            _COUNT,
            {
                "version_key": version_key,
                "principal": principal,
                "download_count": 1,
                "last_time_us": time_us,
            },
        )
        self._connection.execute_later(_COUNT_IN_MODEL, {"version_key": version_key})
        return True

    def by_version(self, model_key: int, limit: int) -> Sequence[VersionUsage]:
        rows = self._connection.execute(_BY_VERSION, {"model_key": model_key, "limit": limit})
        return [
            VersionUsage(
                version=target_name(row.model, number=row.number, commit_id=None),
                download_count=int(row.download_count),
                last_time_us=row.last_time_us,
            )
            for row in rows
        ]

    def by_principal(self, model_key: int, limit: int) -> Sequence[PrincipalUsage]:
        rows = self._connection.execute(_BY_PRINCIPAL, {"model_key": model_key, "limit": limit})
        return [
            PrincipalUsage(
                principal=row.principal,
                version=target_name(row.model, number=row.number, commit_id=None),
                download_count=row.download_count,
                last_time_us=row.last_time_us,
            )
            for row in rows
        ]

    def like(self, model_key: int, principal: str, time_us: int) -> bool:
        parameters = {"model_key": model_key, "principal": principal, "time_us": time_us}
        liked = self._connection.execute(_LIKE, parameters).first() is not None
        if liked:
            self._count_likes(model_key, 1)
        return liked

    def unlike(self, model_key: int, principal: str) -> bool:
        parameters = {"model_key": model_key, "principal": principal}
        unliked = self._connection.execute(_UNLIKE, parameters).rowcount > 0
        if unliked:
            self._count_likes(model_key, -1)
        return unliked

    def likes(self, model_key: int) -> int:
        count: int | None = self._connection.execute(_LIKES, {"model_key": model_key}).scalar()
        return count or 0

    def liked(self, model_key: int, principal: str) -> bool:
        parameters = {"model_key": model_key, "principal": principal}
        return bool(self._connection.execute(_LIKED, parameters).scalar_one())

    def _count_likes(self, model_key: int, step: int) -> None:
        self._connection.execute_later(_COUNT_LIKES, {"model_key": model_key, "step": step})
