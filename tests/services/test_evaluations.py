"""Evaluations: measured results of a version."""

from __future__ import annotations

import math

import pytest

from registry.domain.access import Caller
from registry.domain.pages import PageRequest
from registry.domain.versions import Dataset, Evaluation, Version
from registry.errors import (
    InvalidFieldError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    RequestIdReusedError,
    TooLargeError,
)
from registry.names import VersionName
from registry.services import evaluations
from registry.testing.story import NAME, Story, name_of

DIGITS = Dataset(name="digits", digest="sha256:" + "d" * 64, role="holdout")


def add(
    story: Story,
    version: Version,
    *,
    evaluation: str = "holdout",
    metrics: tuple[tuple[str, float], ...] = (("top1", 0.9),),
    dataset: Dataset = DIGITS,
    tool: str = "eval 1.0",
    request_id: str = "",
    by: Caller | None = None,
) -> Evaluation:
    return story.world.evaluations.add(
        by or story.bob,
        name_of(version),
        evaluation=evaluation,
        metrics=metrics,
        dataset=dataset,
        tool=tool,
        request_id=request_id,
    )


def listed(story: Story, version: Version) -> list[Evaluation]:
    found: list[Evaluation] = []
    token = ""
    while True:
        page = story.world.evaluations.list(
            story.rosa, name_of(version), PageRequest(size=2, token=token)
        )
        found += page.items
        token = page.next_page_token
        if not token:
            return found


def test_add(story: Story) -> None:
    """A result is bound to the version's digest and to who reported it."""
    version = story.push()
    made = add(story, version, metrics=(("top5", 0.99), ("top1", 0.9)))
    assert made.digest == version.digest
    assert made.reporter == "bob"
    assert made.metrics == (("top1", 0.9), ("top5", 0.99))
    assert listed(story, version) == [made]


def test_newest_first(story: Story) -> None:
    """Results come newest first, page by page, and none replaces another."""
    version = story.push()
    made = [add(story, version) for _ in range(5)]
    assert listed(story, version) == made[::-1]


def test_repeat(story: Story) -> None:
    """A repeat with the same request_id adds nothing; other content is refused."""
    version = story.push()
    made = add(story, version, request_id="r")
    add(story, version)
    assert add(story, version, request_id="r") == made
    assert len(listed(story, version)) == 2
    with pytest.raises(RequestIdReusedError):
        add(story, version, tool="other", request_id="r")


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("evaluation.evaluation", {"evaluation": ""}),
        ("evaluation.metrics", {"metrics": ()}),
        ("evaluation.metrics['a']", {"metrics": (("a", math.nan),)}),
        ("evaluation.metrics['a']", {"metrics": (("a", -math.inf),)}),
        ("evaluation.metrics key", {"metrics": (("", 1.0),)}),
        ("evaluation.evaluation", {"evaluation": "a\nb"}),
        ("evaluation.tool", {"tool": "a\nb"}),
        ("evaluation.dataset.name", {"dataset": Dataset(name="", digest=DIGITS.digest)}),
        ("evaluation.dataset.digest", {"dataset": Dataset(name="d")}),
        ("evaluation.dataset.digest", {"dataset": Dataset(name="d", digest="sha256:1")}),
        ("request_id", {"request_id": "a b"}),
    ],
)
def test_bad_fields(story: Story, field: str, given: dict[str, object]) -> None:
    """A field that breaks its rule is named, and nothing is added."""
    version = story.push()
    with pytest.raises(InvalidFieldError) as refused:
        add(story, version, **given)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert listed(story, version) == []


@pytest.mark.parametrize("given", [{"evaluation": "x" * 101}, {"tool": "x" * 201}])
def test_long_fields(story: Story, given: dict[str, str]) -> None:
    """Texts are bounded."""
    with pytest.raises(TooLargeError):
        add(story, story.push(), **given)  # type: ignore[arg-type]


def test_not_without_end(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version takes so many results and no more."""
    monkeypatch.setattr(evaluations, "EVALUATIONS_MAX", 2)
    version = story.push()
    add(story, version)
    add(story, version)
    with pytest.raises(QuotaError, match="at most 2"):
        add(story, version)


def test_missing_version(story: Story) -> None:
    """A version that is not there has no results and takes none."""
    ghost = VersionName(model=NAME, number=9)
    with pytest.raises(NotFoundError):
        story.world.evaluations.list(story.rosa, ghost, PageRequest())
    with pytest.raises(NotFoundError):
        story.world.evaluations.add(
            story.bob,
            ghost,
            evaluation="e",
            metrics=(("a", 1.0),),
            dataset=DIGITS,
            tool="",
            request_id="",
        )


def test_permissions(story: Story) -> None:
    """Readers and administrators add no results, others read none."""
    version = story.push()
    for by in (story.rosa, story.root, story.mallory):
        with pytest.raises(PermissionDeniedError):
            add(story, version, by=by)
    with pytest.raises(PermissionDeniedError):
        story.world.evaluations.list(story.mallory, name_of(version), PageRequest())
    for by in (story.alice, story.dora, story.sam):
        assert add(story, version, by=by).reporter == by.id
