"""Upload sessions and their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from sqlalchemy import (
    BigInteger,
    Boolean,
    Select,
    Text,
    bindparam,
    cast,
    exists,
    func,
    insert,
    select,
    text,
    update,
)

from registry.db.arrays import array, columns_of, numbers, rows
from registry.db.locks import lock_rows
from registry.db.manifests import file_of, file_values
from registry.db.prepared import PreparedConnection
from registry.db.rows import AnyRow
from registry.db.tables import upload_files, uploads
from registry.domain.uploads import Upload, UploadFile

_u = uploads.c
_INSERT = insert(uploads).returning(_u.key)
_INSERT_FILES = insert(upload_files).from_select(
    ["upload_key", "path", "size_bytes", "sha256", "media_type", "stored"],
    select(
        cast(bindparam("to_upload"), BigInteger),
        *columns_of("files", Text, BigInteger, Text, Text, Boolean),
    ),
)
_ALL = select(
    _u.key,
    _u.id,
    _u.model,
    _u.namespace,
    _u.creator,
    _u.token,
    _u.digest,
    _u.create_time_us,
    _u.expire_time_us,
    _u.ended,
)
_GET = _ALL.where(_u.id == bindparam("id"))
_ROW = select(_u.key).where(_u.id == bindparam("id"))
# As text, since a partial index answers only to its own condition.
_live = text("NOT uploads.ended")
_awaited = (
    select(upload_files.c.upload_key)
    .where(upload_files.c.upload_key == _u.key, text("NOT upload_files.stored"))
    .correlate(uploads)
)
_AWAITING_COUNT = select(func.count()).where(
    _u.creator == bindparam("creator"),
    _u.expire_time_us > bindparam("now_us"),
    _live,
    exists(_awaited),
)
_AWAITED_BYTES = (
    select(func.coalesce(func.sum(upload_files.c.size_bytes), 0))
    .select_from(uploads)
    .join(upload_files, upload_files.c.upload_key == _u.key)
    .where(
        _u.creator == bindparam("creator"),
        _u.expire_time_us > bindparam("now_us"),
        _live,
        text("NOT upload_files.stored"),
    )
)
_OVERDUE = (
    _ALL.where(_u.expire_time_us <= bindparam("now_us"), _live)
    .order_by(_u.expire_time_us, _u.key)
    .limit(bindparam("limit"))
)
_FILES = (
    select(
        upload_files.c.upload_key,
        upload_files.c.path,
        upload_files.c.size_bytes,
        upload_files.c.sha256,
        upload_files.c.media_type,
        upload_files.c.stored,
    )
    .where(upload_files.c.upload_key.in_(numbers("keys")))
    .order_by(upload_files.c.upload_key, upload_files.c.path)
)
_FILES_OF_SHA256 = _FILES.where(upload_files.c.sha256 == bindparam("sha256"))
_SET_STORED = (
    update(upload_files)
    .where(
        upload_files.c.upload_key == bindparam("session"),
        upload_files.c.sha256 == bindparam("of_sha256"),
    )
    .values(stored=True)
)
_one_session = update(uploads).where(_u.key == bindparam("session"))
_SET_DIGEST = _one_session.values(digest=bindparam("to_digest"))
_EXTEND = _one_session.values(expire_time_us=bindparam("until_us"))
_END = _one_session.values(ended=True)


class SqlUploads:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def insert(self, upload: Upload) -> Upload:
        key = self._connection.execute(
            _INSERT,
            {
                "id": upload.id,
                "model": upload.model,
                "namespace": upload.namespace,
                "creator": upload.creator,
                "token": upload.token,
                "digest": upload.digest,
                "create_time_us": upload.create_time_us,
                "expire_time_us": upload.expire_time_us,
                "ended": upload.ended,
            },
        ).scalar_one()
        self._insert_files(key, upload.files)
        return replace(upload, key=key)

    def get(self, id: str) -> Upload | None:
        found = self._all(_GET, {"id": id})
        return found[0] if found else None

    def lock(self, id: str) -> Upload | None:
        lock_rows(self._connection, _ROW, {"id": id})
        return self.get(id)

    def find(self, id: str, sha256: str) -> Upload | None:
        row = self._connection.execute(_GET, {"id": id}).one_or_none()
        if row is None:
            return None
        parameters = {"keys": array([row.key]), "sha256": sha256}
        return _upload(row, self._files(_FILES_OF_SHA256, parameters).get(row.key, ()))

    def awaiting_count(self, creator: str, now_us: int) -> int:
        parameters = {"creator": creator, "now_us": now_us}
        count: int = self._connection.execute(_AWAITING_COUNT, parameters).scalar_one()
        return count

    def awaited_bytes(self, creator: str, now_us: int) -> int:
        parameters = {"creator": creator, "now_us": now_us}
        # PostgreSQL's sum of whole numbers is a decimal one.
        return int(self._connection.execute(_AWAITED_BYTES, parameters).scalar_one())

    def add_files(self, key: int, files: Sequence[UploadFile], digest: str) -> None:
        self._insert_files(key, files)
        self._connection.execute_later(_SET_DIGEST, {"session": key, "to_digest": digest})

    def mark_stored(self, key: int, sha256: str, expire_time_us: int) -> None:
        self._connection.execute_later(_SET_STORED, {"session": key, "of_sha256": sha256})
        self.extend(key, expire_time_us)

    def extend(self, key: int, expire_time_us: int) -> None:
        self._connection.execute_later(_EXTEND, {"session": key, "until_us": expire_time_us})

    def end(self, key: int) -> None:
        self._connection.execute_later(_END, {"session": key})

    def overdue(self, now_us: int, limit: int) -> Sequence[Upload]:
        return self._all(_OVERDUE, {"now_us": now_us, "limit": limit})

    def _insert_files(self, key: int, files: Sequence[UploadFile]) -> None:
        values = rows((*file_values(f.file), f.stored) for f in files)
        self._connection.execute_later(_INSERT_FILES, {"to_upload": key, "files": values})

    def _all(
        self, statement: Select[*tuple[object, ...]], parameters: dict[str, object]
    ) -> Sequence[Upload]:
        found = self._connection.execute(statement, parameters).all()
        files = self._files(_FILES, {"keys": array([row.key for row in found])})
        return [_upload(row, files.get(row.key, ())) for row in found]

    def _files(
        self, statement: Select[*tuple[object, ...]], parameters: dict[str, str]
    ) -> dict[int, tuple[UploadFile, ...]]:
        return {
            key: tuple(UploadFile(file=file_of(row), stored=row.stored) for row in of_key)
            for key, of_key in groupby(
                self._connection.execute(statement, parameters), key=attrgetter("upload_key")
            )
        }


def _upload(row: AnyRow, files: tuple[UploadFile, ...]) -> Upload:
    return Upload(
        key=row.key,
        id=row.id,
        model=row.model,
        namespace=row.namespace,
        creator=row.creator,
        token=row.token,
        files=files,
        digest=row.digest,
        create_time_us=row.create_time_us,
        expire_time_us=row.expire_time_us,
        ended=row.ended,
    )
