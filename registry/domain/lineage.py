"""Lineage: which version was made from which."""

from __future__ import annotations

from dataclasses import dataclass

from registry.domain.versions import LineageKind


@dataclass(frozen=True, kw_only=True)
class LineageEdge:
    child_key: int
    #: None once the parent was deleted; its name stays.
    parent_key: int | None
    #: Resource names of versions.
    child: str
    parent: str
    child_namespace: str
    parent_namespace: str
    kind: LineageKind
    creator: str
    create_time_us: int
    #: Steps from the version that was asked about; 0 where nothing was asked.
    depth: int = 0


@dataclass(frozen=True, kw_only=True)
class LineagePage:
    edges: tuple[LineageEdge, ...]
    next_page_token: str
    hidden_count: int
