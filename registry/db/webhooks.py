"""Webhooks: who is told of which events, and how far each has been."""

from __future__ import annotations

import builtins
import json
from dataclasses import replace

from sqlalchemy import bindparam, delete, func, insert, select, update

from registry.db.locks import lock_rows
from registry.db.prepared import PreparedConnection
from registry.db.rows import AnyRow, behind
from registry.db.tables import webhooks
from registry.domain.pages import Cursor
from registry.domain.webhooks import Webhook, WebhookSecret

_w = webhooks.c
_INSERT = insert(webhooks).returning(_w.key)
_ALL = select(webhooks)
_GET = _ALL.where(_w.id == bindparam("id"))
_ROW = select(_w.key).where(_w.id == bindparam("id"))
_COUNT = select(func.count()).select_from(webhooks)
_ENABLED = _ALL.where(_w.enabled).order_by(_w.key)
_BEHIND = _ALL.where(_w.key > bindparam("after")).order_by(_w.key)
_SAVE = update(webhooks).where(_w.key == bindparam("of"))
_DELETE = delete(webhooks).where(_w.key == bindparam("of"))


class SqlWebhooks:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def insert(self, webhook: Webhook) -> Webhook:
        given = {
            "id": webhook.id,
            "namespace_pattern": webhook.namespace_pattern,
            "create_time_us": webhook.create_time_us,
            "creator": webhook.creator,
            **_changeable(webhook),
        }
        return replace(webhook, key=self._connection.execute(_INSERT, given).scalar_one())

    def get(self, id: str) -> Webhook | None:
        row = self._connection.execute(_GET, {"id": id}).one_or_none()
        return None if row is None else _webhook(row)

    def lock(self, id: str) -> Webhook | None:
        lock_rows(self._connection, _ROW, {"id": id})
        return self.get(id)

    def count(self) -> int:
        return int(self._connection.execute(_COUNT, {}).scalar_one())

    def list(self, after: Cursor | None) -> builtins.list[Webhook]:
        rows = self._connection.execute(_BEHIND, {"after": behind(after, 0)})
        return [_webhook(row) for row in rows]

    def enabled(self) -> builtins.list[Webhook]:
        return [_webhook(row) for row in self._connection.execute(_ENABLED, {})]

    def save(self, webhook: Webhook) -> None:
        self._connection.execute_later(_SAVE, {"of": webhook.key, **_changeable(webhook)})

    def delete(self, key: int) -> None:
        self._connection.execute_later(_DELETE, {"of": key})


def _changeable(webhook: Webhook) -> dict[str, object]:
    return {
        "url": webhook.url,
        "description": webhook.description,
        "actions": json.dumps(webhook.actions),
        "enabled": webhook.enabled,
        "disable_reason": webhook.disable_reason,
        "secrets": json.dumps([[each.sealed, each.expire_time_us] for each in webhook.secrets]),
        "position": json.dumps(webhook.position),
        "failing_since_us": webhook.failing_since_us,
        "etag": webhook.etag,
        "update_time_us": webhook.update_time_us,
    }


def _webhook(row: AnyRow) -> Webhook:
    return Webhook(
        key=row.key,
        id=row.id,
        url=row.url,
        description=row.description,
        actions=tuple(json.loads(row.actions)),
        namespace_pattern=row.namespace_pattern,
        enabled=row.enabled,
        disable_reason=row.disable_reason,
        secrets=tuple(
            WebhookSecret(sealed=sealed, expire_time_us=expire_time_us)
            for sealed, expire_time_us in json.loads(row.secrets)
        ),
        position=tuple(json.loads(row.position)),
        failing_since_us=row.failing_since_us,
        etag=row.etag,
        create_time_us=row.create_time_us,
        update_time_us=row.update_time_us,
        creator=row.creator,
    )
