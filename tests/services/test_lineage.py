"""Lineage: declare edges, walk up and down."""

from __future__ import annotations

import pytest

from registry.domain.access import Caller, Role
from registry.domain.lineage import LineageEdge, LineagePage
from registry.domain.pages import PageRequest
from registry.domain.versions import LineageKind, Version, VersionSpec
from registry.errors import (
    InvalidFieldError,
    LineageCycleError,
    NotFoundError,
    PermissionDeniedError,
    RequestIdReusedError,
)
from registry.names import ModelName, VersionName
from registry.ports.tables import EventQuery
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import grant

MERGE, FINETUNE = LineageKind.MERGE, LineageKind.FINETUNE


def link(
    story: Story,
    child: Version,
    parent: Version,
    kind: LineageKind = MERGE,
    by: Caller | None = None,
) -> LineageEdge:
    return story.world.lineage.create(by or story.alice, name_of(child), name_of(parent), kind)


def pages(
    story: Story, version: Version, *, up: bool, size: int = 2, depth: int = 0, by: Caller
) -> list[LineagePage]:
    walk = story.world.lineage.ancestors if up else story.world.lineage.descendants
    found: list[LineagePage] = []
    token = ""
    while True:
        request = PageRequest(size=size, token=token)
        page = walk(by, name_of(version), depth_max=depth, page=request)
        found.append(page)
        token = page.next_page_token
        if not token:
            return found


def walked(
    story: Story, version: Version, *, up: bool = True, depth: int = 0
) -> list[tuple[int, int, int]]:
    """(depth, child, parent) by number, over all pages of two."""
    found = pages(story, version, up=up, depth=depth, by=story.rosa)
    return [(e.depth, _number(e.child), _number(e.parent)) for page in found for e in page.edges]


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])


def versions(story: Story, count: int) -> list[Version]:
    return [story.push({"a": bytes([n])}) for n in range(count)]


def test_create(story: Story) -> None:
    """An edge names child, parent, kind and who declared it."""
    child, parent = versions(story, 2)
    edge = link(story, child, parent)
    assert (edge.child, edge.parent, edge.kind) == (child.name, parent.name, MERGE)
    assert edge.creator == "alice"
    assert walked(story, child) == [(1, 1, 2)]


def test_create_again(story: Story) -> None:
    """A repeat changes nothing; another kind replaces the first, and the log has both."""
    child, parent = versions(story, 2)
    first = link(story, child, parent)
    assert link(story, child, parent, by=story.ann) == first
    assert link(story, child, parent, FINETUNE).kind is FINETUNE
    query = EventQuery(namespace="fraud", action="lineage.create")
    events = story.world.database.read(lambda tx: tx.events.list(query, None, 9))
    assert len(events) == 2


def test_cycles(story: Story) -> None:
    """An edge that would close a cycle is refused, of whatever length."""
    first, second, third = versions(story, 3)
    with pytest.raises(LineageCycleError):
        link(story, first, first)
    link(story, second, first)
    link(story, third, second)
    for child, parent in ((first, second), (first, third), (second, third)):
        with pytest.raises(LineageCycleError, match=parent.name):
            link(story, child, parent)
    link(story, third, first)


def test_delete(story: Story) -> None:
    """An edge taken back is gone, and can be turned round."""
    child, parent = versions(story, 2)
    link(story, child, parent)
    story.world.lineage.delete(story.alice, name_of(child), name_of(parent))
    assert walked(story, child) == []
    with pytest.raises(NotFoundError):
        story.world.lineage.delete(story.alice, name_of(child), name_of(parent))
    link(story, parent, child)


def test_walks(story: Story) -> None:
    """Edges come nearest first, then by name, each once, page by page."""
    v1, v2, v3, v4, v5 = versions(story, 5)
    for child, parent in ((v5, v4), (v5, v3), (v4, v2), (v3, v2), (v2, v1), (v5, v1)):
        link(story, child, parent)
    assert walked(story, v5) == [
        (1, 5, 1),
        (1, 5, 3),
        (1, 5, 4),
        (2, 3, 2),
        (2, 4, 2),
        (3, 2, 1),
    ]
    assert walked(story, v1, up=False) == [
        (1, 2, 1),
        (1, 5, 1),
        (2, 3, 2),
        (2, 4, 2),
        (3, 5, 3),
        (3, 5, 4),
    ]
    assert walked(story, v5, depth=2) == walked(story, v5)[:5]
    assert walked(story, v5, depth=1) == walked(story, v5)[:3]


@pytest.mark.parametrize("depth", [-1, 101])
def test_bad_depth(story: Story, depth: int) -> None:
    """A depth out of bounds is refused."""
    with pytest.raises(InvalidFieldError, match="depth_max"):
        walked(story, story.push(), depth=depth)


def test_hidden_edges(story: Story) -> None:
    """What lies in a namespace that the caller may not read is counted, not named, and not walked
    beyond."""
    world = story.world
    world.model("secret/base")
    both = world.caller("both", grant(Role.REGISTRANT, "fraud"), grant(Role.REGISTRANT, "secret"))
    child, open_one = versions(story, 2)
    root, base = (
        world.versions.create(
            both,
            ModelName(path="secret/base"),
            source=story.send({"a": bytes([n])}, namespace="secret"),
            spec=VersionSpec(),
            message="",
            request_id="",
        )
        for n in range(2)
    )
    link(story, base, root, by=both)
    link(story, child, base, by=both)
    link(story, child, open_one)
    link(story, base, open_one, by=both)
    (page,) = pages(story, child, up=True, by=story.rosa)
    assert [(e.child, e.parent) for e in page.edges] == [(child.name, open_one.name)]
    assert page.hidden_count == 1
    seen = pages(story, child, up=True, by=both)
    assert sum(len(page.edges) for page in seen) == 4
    assert all(page.hidden_count == 0 for page in seen)
    (down,) = pages(story, open_one, up=False, by=story.rosa)
    assert [e.child for e in down.edges] == [child.name]
    assert down.hidden_count == 1


def test_hidden_edges_over_pages(story: Story) -> None:
    """Each hidden edge is counted on one page, and no page token names it."""
    world = story.world
    world.model("secret/base")
    both = world.caller("both", grant(Role.REGISTRANT, "fraud"), grant(Role.READER, "secret"))
    (child, *parents) = versions(story, 6)
    for parent in parents:
        link(story, child, parent)
    for number in range(4):
        hidden = world.version("secret/base", {"a": bytes([number])})
        link(story, child, hidden, by=both)
    found = pages(story, child, up=True, by=story.rosa)
    assert [len(page.edges) for page in found] == [2, 2, 1]
    assert [page.hidden_count for page in found] == [0, 0, 4]


def test_deleted_parent(story: Story) -> None:
    """An edge goes on naming a parent that was deleted, and can be taken back."""
    world = story.world
    model = world.model("fraud/base")
    parent = story.push(model="fraud/base")
    child = story.push()
    link(story, child, parent)
    world.database.write(lambda tx: tx.models.delete(model.key))
    (page,) = pages(story, child, up=True, by=story.rosa)
    (edge,) = page.edges
    assert (edge.parent, edge.parent_key) == (parent.name, None)
    world.lineage.delete(story.alice, name_of(child), name_of(parent))
    assert walked(story, child) == []


def test_missing_versions(story: Story) -> None:
    """Both ends of an edge must be there, and so must what is asked about."""
    version = story.push()
    ghost = VersionName(model=NAME, number=9)
    for child, parent in ((name_of(version), ghost), (ghost, name_of(version))):
        with pytest.raises(NotFoundError, match="versions/9"):
            story.world.lineage.create(story.alice, child, parent, MERGE)
    with pytest.raises(NotFoundError):
        story.world.lineage.ancestors(story.rosa, ghost, depth_max=0, page=PageRequest())


def test_permissions(story: Story) -> None:
    """An edge takes the right to make the child and to read the parent."""
    child, parent = versions(story, 2)
    for by in (story.rosa, story.bob, story.mallory):
        with pytest.raises(PermissionDeniedError):
            link(story, child, parent, by=by)
        with pytest.raises(PermissionDeniedError):
            story.world.lineage.delete(by, name_of(child), name_of(parent))
    story.world.model("secret/base")
    secret = story.world.version("secret/base", {"a": b"1"})
    with pytest.raises(PermissionDeniedError, match="secret/base"):
        link(story, child, secret)
    with pytest.raises(PermissionDeniedError):
        story.world.lineage.ancestors(
            story.mallory, name_of(child), depth_max=0, page=PageRequest()
        )


def test_a_repeat_declares_nothing_again(story: Story) -> None:
    """A repeat of what was taken back since does not bring it back."""
    child, parent = versions(story, 2)
    ends = name_of(child), name_of(parent)

    def declare(kind: LineageKind = MERGE) -> LineageEdge:
        return story.world.lineage.create(story.alice, *ends, kind, request_id="r")

    assert declare() == declare()
    with pytest.raises(RequestIdReusedError):
        declare(FINETUNE)
    story.world.lineage.delete(story.alice, *ends)
    with pytest.raises(NotFoundError, match="edge"):
        declare()
    assert walked(story, child) == []
