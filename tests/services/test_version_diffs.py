"""Diffs: of versions as they are stored."""

from __future__ import annotations

import pytest

from registry.domain.versions import VersionSpec
from registry.errors import NotFoundError, PermissionDeniedError
from registry.names import VersionName
from registry.testing.story import NAME, Story, name_of


def test_diff(story: Story) -> None:
    """Files, card and what the registrant said are compared."""
    base = story.push(
        {"README.md": b"---\nlicense: mit\n---\nOld.\n", "a": b"1"},
        spec=VersionSpec(metrics=(("auc", 0.9),)),
    )
    other = story.push(
        {"README.md": b"---\nlicense: apache-2.0\n---\nNew.\n", "b": b"1"},
        spec=VersionSpec(metrics=(("auc", 0.95),)),
    )
    diff = story.world.version_diffs.diff(story.rosa, name_of(base), name_of(other))
    assert [(c.before.path, c.after.path) for c in diff.renamed] == [("a", "b")]
    assert [c.after.path for c in diff.changed] == ["README.md"]
    assert [c.key for c in diff.card] == ["/", "/license"]
    assert [(c.base, c.other) for c in diff.metrics] == [("0.9", "0.95")]


def test_of_two_models(story: Story) -> None:
    """Versions of two models are compared alike."""
    story.world.model("fraud/other")
    base, other = story.push({"a": b"1"}), story.push({"a": b"1"}, model="fraud/other")
    diff = story.world.version_diffs.diff(story.rosa, name_of(base), name_of(other))
    assert diff.equal_count == 1


def test_missing(story: Story) -> None:
    """Both versions must be there."""
    version = name_of(story.push())
    ghost = VersionName(model=NAME, number=9)
    for base, other in ((version, ghost), (ghost, version)):
        with pytest.raises(NotFoundError, match="versions/9"):
            story.world.version_diffs.diff(story.rosa, base, other)


def test_permissions(story: Story) -> None:
    """Both versions must be readable."""
    story.world.model("secret/base")
    secret = name_of(story.world.version("secret/base", {"a": b"1"}))
    version = name_of(story.push())
    for base, other in ((version, secret), (secret, version)):
        with pytest.raises(PermissionDeniedError, match="secret/base"):
            story.world.version_diffs.diff(story.rosa, base, other)
