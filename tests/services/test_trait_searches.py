"""Searches: versions by what vetting learned of their files."""

from __future__ import annotations

from typing import Any

import pytest

from registry.domain.access import Caller, Role
from registry.domain.pages import PageRequest
from registry.domain.scopes import Scope
from registry.domain.versions import Version
from registry.errors import InvalidFieldError, PermissionDeniedError, TooLargeError
from registry.testing.sound import weights
from registry.testing.story import Story, name_of
from registry.testing.world import grant

CARD = b"---\nlicense: mit\nbase_model: acme/base\n---\n# A model\n"


def search(
    story: Story,
    *traits: str,
    by: Caller | None = None,
    namespace: str | None = None,
    at_least: int = 0,
    at_most: int = 0,
    size: int = 50,
    token: str = "",
) -> tuple[list[str], str]:
    page = story.world.trait_searches.versions(
        by or story.rosa,
        namespace,
        traits=traits,
        parameters_min=at_least,
        parameters_max=at_most,
        page=PageRequest(size=size, token=token),
    )
    return [version.ref for version in page.items], page.next_page_token


def test_versions_are_found_by_their_files(story: Story) -> None:
    """All traits have to be there, in any files; case does not count. The newest first, in
    quarantine too."""
    story.released({"README.md": CARD, "a.safetensors": weights(b"12345678")})
    story.released({"a.safetensors": weights(b"12345678"), "b.json": b"{}"})
    story.vetted(story.push({"b.json": b"{}", "c.xyz": b"\xff"}))
    assert search(story, "format=safetensors")[0] == ["fraud/scorer@2", "fraud/scorer@1"]
    assert search(story, "format=JSON", "format=safetensors")[0] == ["fraud/scorer@2"]
    assert search(story, "license=MIT", "base-model=Acme/Base")[0] == ["fraud/scorer@1"]
    assert search(story, "format=json")[0] == ["fraud/scorer@3", "fraud/scorer@2"]
    assert search(story, "format=onnx")[0] == []
    assert search(story, "dtype=u8", namespace="fraud")[0] == ["fraud/scorer@2", "fraud/scorer@1"]


def test_parameters_of_all_files_count_together(story: Story) -> None:
    story.released({"a.safetensors": weights(b"1" * 8), "b.safetensors": weights(b"2" * 8)})
    story.released({"a.safetensors": weights(b"1" * 8)})
    both, one = "fraud/scorer@1", "fraud/scorer@2"
    assert search(story, at_least=1)[0] == [one, both]
    assert search(story, at_least=16)[0] == [both]
    assert search(story, at_most=15)[0] == [one]
    assert search(story, "format=safetensors", at_least=9, at_most=16)[0] == [both]
    assert search(story, at_least=17)[0] == []


def test_pages_are_whole(story: Story) -> None:
    for number in range(5):
        story.released({"a.json": b"{}", "n.txt": b"%d" % number})
    found: list[str] = []
    token = ""
    while True:
        page, token = search(story, "format=json", size=2, token=token)
        found += page
        if not token:
            break
    assert found == [f"fraud/scorer@{number}" for number in (5, 4, 3, 2, 1)]


def test_a_verdict_under_other_rules_is_not_searched(story: Story) -> None:
    """What was learned under new rules says nothing of a version that was judged by the old."""
    story.released({"a.json": b"{}"})
    story.world.inspector.rules_digest = "sha256:others"
    story.released({"a.json": b"{}", "b.txt": b"b"})
    assert search(story, "format=json")[0] == ["fraud/scorer@2", "fraud/scorer@1"]
    assert search(story, "format=text")[0] == ["fraud/scorer@2"]
    story.world.inspector.rules_digest = "sha256:third"
    story.released({"a.json": b"{}"})
    assert len(search(story, "format=json")[0]) == 3


def test_nobody_finds_what_he_may_not_read(story: Story) -> None:
    story.released({"a.json": b"{}"})
    assert search(story, "format=json", by=story.mallory)[0] == []
    with pytest.raises(PermissionDeniedError):
        search(story, "format=json", by=story.mallory, namespace="fraud")
    narrow = story.world.caller(
        "narrow", grant(Role.READER, "fraud", deny=True), grant(Role.READER)
    )
    assert search(story, "format=json", by=narrow)[0] == []
    assert search(story, "format=json", by=story.root)[0] == ["fraud/scorer@1"]


def whole(story: Story, *traits: str, **asked: Any) -> list[str]:
    """All pages of a search, each of which has to be full, of one version."""
    found: list[str] = []
    token = ""
    while True:
        page, token = search(story, *traits, size=1, token=token, **asked)
        assert len(page) == 1
        found += page
        if not token:
            return found


#: Grants of somebody, and the scopes of the token.
EYES = {
    "one model": ([grant(Role.READER)], [Scope(action="version.read", model="fraud/scorer")]),
    "a pattern": ([grant(Role.READER)], [Scope(action="*.read", model="*/scorer")]),
    "two scopes": (
        [grant(Role.READER)],
        [
            Scope(action="version.*", model="fraud/other"),
            Scope(action="version.read", model="risk/*"),
        ],
    ),
    "a scope for less": (
        [grant(Role.READER, "risk")],
        [Scope(action="version.read", model="*/scorer")],
    ),
    "one namespace": ([grant(Role.READER, "fraud")], []),
    "a pattern of namespaces": ([grant(Role.AUDITOR, "r*")], []),
    "a denied namespace": ([grant(Role.READER), grant(Role.READER, "fraud", deny=True)], []),
    "another role denied": ([grant(Role.READER), grant(Role.ADMIN, "risk", deny=True)], []),
    "everything": ([grant(Role.READER)], []),
}


@pytest.fixture
def spread(story: Story) -> list[Version]:
    """Versions of three models in two namespaces, in turns, so that a page of one model's passes
    over those of the others."""
    paths = ("fraud/scorer", "fraud/other", "risk/scorer")
    for path in paths[1:]:
        story.world.model(path)
    carol = story.world.caller("carol", grant(Role.REGISTRANT))
    made = []
    for turn in range(2):
        for path in paths:
            files = {"a.json": b"{}", "w.safetensors": weights(b"%d" % turn * 8)}
            made.append(story.vetted(story.push(files, model=path, by=carol)))
    return made


@pytest.mark.parametrize("eyes", EYES)
def test_a_search_shows_what_may_be_read(story: Story, spread: list[Version], eyes: str) -> None:
    """Exactly those versions that GetVersion gives to the same token, page by page, with traits and
    with numbers of parameters, in one namespace and in all."""
    grants, scopes = EYES[eyes]
    story.world.login("nora", *grants)
    nora = story.world.login("nora", scopes=scopes).caller

    def may_read(version: Version) -> bool:
        try:
            story.world.versions.get(nora, name_of(version))
        except PermissionDeniedError:
            return False
        return True

    due = [version.ref for version in reversed(spread) if may_read(version)]
    assert due
    assert whole(story, "format=json", by=nora) == due
    assert whole(story, at_least=8, at_most=8, by=nora) == due
    for namespace in ("fraud", "risk"):
        here = [ref for ref in due if ref.startswith(f"{namespace}/")]
        if here:
            assert whole(story, "format=json", by=nora, namespace=namespace) == here


def test_a_search_does_not_reveal_what_exists(story: Story) -> None:
    """What is hidden changes no answer: neither what is found nor how it goes on, nor the words of
    a refusal; and the place in somebody else's pages opens nothing."""
    story.world.model("fraud/other")
    for number in range(2):
        story.released({"a.json": b"{}", "n.txt": b"%d" % number})
    scope = Scope(action="version.read", model="fraud/scorer")
    nora = story.world.login("rosa", scopes=[scope]).caller
    asked: list[dict[str, Any]] = [
        {"traits": ("format=json",), "size": 1},
        {"traits": ("format=json",), "size": 2, "namespace": "fraud"},
        {"traits": ("format=safetensors",)},
        {"traits": (), "at_least": 8},
    ]

    def answers() -> list[tuple[list[str], str]]:
        return [search(story, *each.pop("traits"), by=nora, **each) for each in map(dict, asked)]

    before = answers()
    hidden = {"a.json": b"{}", "w.safetensors": weights(b"12345678")}
    story.vetted(story.push(hidden, model="fraud/other"))
    assert search(story, "format=safetensors")[0] == ["fraud/other@1"]
    assert answers() == before
    assert search(story, "format=json", size=1)[0] == ["fraud/other@1"]
    _, token = search(story, "format=json", size=1)
    assert whole(story, "format=json", by=nora) == ["fraud/scorer@2", "fraud/scorer@1"]
    assert search(story, "format=json", by=nora, token=token)[0] == [
        "fraud/scorer@2",
        "fraud/scorer@1",
    ]
    # Another namespace than theirs, and one that is not there.
    refusals = set()
    story.world.model("risk/scorer")
    for namespace in ("risk", "absent"):
        with pytest.raises(PermissionDeniedError) as refused:
            search(story, "format=json", by=nora, namespace=namespace)
        refusals.add(str(refused.value).replace(namespace, "NAME"))
    assert len(refusals) == 1


@pytest.mark.parametrize(
    "traits", [("colour=red",), ("format",), ("format=",), ("format=" + "x" * 201,), ("",), ()]
)
def test_what_cannot_be_asked_is_refused(story: Story, traits: tuple[str, ...]) -> None:
    with pytest.raises(InvalidFieldError, match="traits"):
        search(story, *traits)


def test_bounds(story: Story) -> None:
    with pytest.raises(TooLargeError):
        search(story, *["format=json"] * 11)
    with pytest.raises(InvalidFieldError, match="parameters_min"):
        search(story, at_least=-1)
