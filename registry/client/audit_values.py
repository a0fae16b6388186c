"""What the audit service answers with; fields as in `registry.v1.audit`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from registry.client.values import Event


@dataclass(frozen=True, kw_only=True)
class AuditCheckpoint:
    name: str
    time: datetime | None
    event_count: int
    root: str
    hash: str
    public_key: str
    note: str

    @property
    def number(self) -> int:
        return int(self.name.rpartition("/")[2] or 0)


@dataclass(frozen=True, kw_only=True)
class EventProof:
    event: Event
    size: int
    path: tuple[str, ...]
    checkpoint: str
    handovers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ShardConsistency:
    shard: int
    old_size: int
    new_size: int
    path: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ConsistencyProof:
    old: str
    new: str
    shards: tuple[ShardConsistency, ...]


@dataclass(frozen=True, kw_only=True)
class AuditKey:
    id: str
    public_key: str
    first: str
    last: str
    first_time: datetime | None
    current: bool


@dataclass(frozen=True, kw_only=True)
class AuditKeys:
    keys: tuple[AuditKey, ...]


@dataclass(frozen=True, kw_only=True)
class ExportBatch:
    """Some events, and the cursor to go on behind them."""

    events: tuple[Event, ...]
    cursor: str
