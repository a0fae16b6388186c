"""Lineage: declare which version was made from which, and walk up and down."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence

from registry.domain.access import Action, Caller
from registry.domain.lineage import LineageEdge, LineagePage
from registry.domain.pages import Cursor, PageRequest, decode_token, encode_token, fingerprint
from registry.domain.scopes import model_in
from registry.domain.versions import LineageKind, Version
from registry.errors import InvalidFieldError, LineageCycleError, NotFoundError
from registry.names import VersionName
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services.lookups import event, version_of
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once

DEPTH_DEFAULT = 20
DEPTH_MAX = 100

_Neighbours = Callable[[Collection[int]], Sequence[LineageEdge]]


class LineageService:
    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(
        self,
        caller: Caller,
        child: VersionName,
        parent: VersionName,
        kind: LineageKind,
        *,
        request_id: str = "",
    ) -> LineageEdge:
        """Declare an edge; one that is there takes the new kind."""
        caller.require(Action.VERSION_CREATE, child.model.namespace, str(child))
        caller.require(Action.VERSION_READ, parent.model.namespace, str(parent))

        def fn(tx: Transaction) -> LineageEdge:
            now = self._clock.now_us()
            return once(
                tx,
                caller,
                "CreateEdge",
                request_id,
                content_of(str(child), str(parent), kind),
                now_us=now,
                create=lambda: (str(parent), _declared(tx, caller, child, parent, kind, now)),
                reload=lambda _: _existing(tx, child, parent),
            )

        return self._database.write(fn)

    def delete(self, caller: Caller, child: VersionName, parent: VersionName) -> None:
        """Take an edge back, also one whose parent is gone."""
        caller.require(Action.VERSION_CREATE, child.model.namespace, str(child))

        def fn(tx: Transaction) -> None:
            made = version_of(tx, child)
            if not tx.lineage.delete(made.key, str(parent)):
                raise _no_edge(made, parent)
            detail: dict[str, object] = {"parent": str(parent)}
            tx.events.append(event(caller, "lineage.delete", made.name, made.namespace, detail))

        self._database.write(fn)

    def ancestors(
        self, caller: Caller, name: VersionName, *, depth_max: int, page: PageRequest
    ) -> LineagePage:
        """Edges up to what a version was made from: nearest first, then by the parent's name."""
        return self._walk(caller, name, depth_max, page, up=True)

    def descendants(
        self, caller: Caller, name: VersionName, *, depth_max: int, page: PageRequest
    ) -> LineagePage:
        """Edges down to what was made from a version: nearest first, then by the child's name."""
        return self._walk(caller, name, depth_max, page, up=False)

    def _walk(
        self, caller: Caller, name: VersionName, depth_max: int, page: PageRequest, *, up: bool
    ) -> LineagePage:
        caller.require(Action.VERSION_READ, name.model.namespace, str(name))
        depth = _check_depth(depth_max)
        of = fingerprint("lineage", str(name), depth, up)
        after = decode_token(page.token, of, int, str, str)
        limit = page.limit()

        def readable(edge: LineageEdge) -> bool:
            far, name = (
                (edge.parent_namespace, edge.parent) if up else (edge.child_namespace, edge.child)
            )
            return caller.may(Action.VERSION_READ, far, model=model_in(name))

        def fn(tx: Transaction) -> LineagePage:
            start = version_of(tx, name)
            step = tx.lineage.above if up else tx.lineage.below
            edges = _edges(start.key, step, depth, readable, up=up)
            return _page(edges, after, limit, readable, of, up=up)

        return self._database.snapshot(fn)


def _declared(
    tx: Transaction,
    caller: Caller,
    child: VersionName,
    parent: VersionName,
    kind: LineageKind,
    now_us: int,
) -> LineageEdge:
    """The edge, as it was there or new."""
    tx.lineage.lock()
    made, origin = version_of(tx, child), version_of(tx, parent)
    _require_no_cycle(tx, made, origin)
    old = _edge(tx, made, origin.name)
    if old is not None and old.kind is kind:
        return old
    new = LineageEdge(
        child_key=made.key,
        parent_key=origin.key,
        child=made.name,
        parent=origin.name,
        child_namespace=made.namespace,
        parent_namespace=origin.namespace,
        kind=kind,
        creator=caller.id,
        create_time_us=now_us,
    )
    tx.lineage.insert(new)
    detail: dict[str, object] = {"parent": origin.name, "kind": kind.value}
    tx.events.append(event(caller, "lineage.create", made.name, made.namespace, detail))
    # An edge keeps who declared it first.
    return new if old is None else dataclasses.replace(old, kind=kind)


def _edge(tx: Transaction, child: Version, parent: str) -> LineageEdge | None:
    return next((edge for edge in tx.lineage.above([child.key]) if edge.parent == parent), None)


def _existing(tx: Transaction, child: VersionName, parent: VersionName) -> LineageEdge:
    made = version_of(tx, child)
    found = _edge(tx, made, str(parent))
    if found is None:
        raise _no_edge(made, parent)
    return found


def _no_edge(child: Version, parent: VersionName) -> NotFoundError:
    return NotFoundError(
        kind="edge",
        name=f"from {child.name} to {parent}",
        fix=f"See what it was made from: hallmark lineage {child.ref}",
    )


def _require_no_cycle(tx: Transaction, child: Version, parent: Version) -> None:
    """Raise LineageCycleError where the parent comes, over any number of steps, from the child."""
    seen = {parent.key}
    frontier = seen
    while child.key not in frontier and frontier:
        above = {edge.parent_key for edge in tx.lineage.above(frontier)}
        frontier = {key for key in above if key is not None} - seen
        seen = seen | frontier
    if child.key in frontier:
        raise LineageCycleError(child=child.name, parent=parent.name)


def _edges(
    start: int,
    step: _Neighbours,
    depth_max: int,
    readable: Callable[[LineageEdge], bool],
    *,
    up: bool,
) -> Iterator[LineageEdge]:
    """All edges within so many steps, each once, in the order in which they are listed.

    What lies beyond an edge that the caller may not read is not walked.
    """
    seen = {start}
    frontier = {start}
    for depth in range(1, depth_max + 1):
        found = [dataclasses.replace(edge, depth=depth) for edge in step(frontier)]
        yield from sorted(found, key=lambda edge: _place(edge, up=up))
        far = {edge.parent_key if up else edge.child_key for edge in found if readable(edge)}
        frontier = {key for key in far if key is not None} - seen
        seen |= frontier
        if not frontier:
            return


def _page(
    edges: Iterator[LineageEdge],
    after: Cursor | None,
    limit: int,
    readable: Callable[[LineageEdge], bool],
    of: str,
    *,
    up: bool,
) -> LineagePage:
    """A page ends with an edge that is shown, so that its token names nothing hidden."""
    shown: list[LineageEdge] = []
    # Those up to the last one shown, and those behind it.
    hidden = hidden_behind = 0
    for edge in edges:
        if after is not None and _place(edge, up=up) <= after:
            continue
        if not readable(edge):
            hidden_behind += 1
        elif len(shown) < limit:
            shown.append(edge)
            hidden, hidden_behind = hidden + hidden_behind, 0
        else:
            token = encode_token(_place(shown[-1], up=up), of)
            return LineagePage(edges=tuple(shown), next_page_token=token, hidden_count=hidden)
    return LineagePage(edges=tuple(shown), next_page_token="", hidden_count=hidden + hidden_behind)


def _place(edge: LineageEdge, *, up: bool) -> tuple[int, str, str]:
    far, near = (edge.parent, edge.child) if up else (edge.child, edge.parent)
    return edge.depth, far, near


def _check_depth(depth_max: int) -> int:
    if not 0 <= depth_max <= DEPTH_MAX:
        raise InvalidFieldError(
            field="depth_max",
            found=str(depth_max),
            expected=f"0 (meaning {DEPTH_DEFAULT}) to {DEPTH_MAX}",
            fix="Leave it out for the default.",
        )
    return depth_max or DEPTH_DEFAULT
