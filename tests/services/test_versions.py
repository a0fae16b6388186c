"""Versions: make, cut, read."""

from __future__ import annotations

import hashlib

import pytest

from registry.domain.access import Role
from registry.domain.manifests import Manifest
from registry.domain.pages import PageRequest
from registry.domain.versions import (
    Base,
    CodeRevision,
    Dataset,
    LineageKind,
    Version,
    VersionSpec,
    VersionState,
)
from registry.errors import (
    InvalidFieldError,
    NotFoundError,
    PermissionDeniedError,
    RequestIdReusedError,
    TooLargeError,
)
from registry.names import CommitName, ModelName, UploadName, VersionName
from registry.services.sources import Source
from registry.testing.story import MODEL, NAME, Story, name_of
from registry.testing.world import grant, manifest_file

FILES = {"README.md": b"---\nlicense: mit\n---\nA model.\n", "weights.txt": b"weights"}


def test_create(story: Story) -> None:
    """A version has number, digest, commit, card and registrant; it starts in quarantine."""
    version = story.create(story.send(FILES), message="first")
    assert version.number == 1
    assert version.digest == Manifest.of(manifest_file(*f) for f in FILES.items()).digest
    assert version.state is VersionState.QUARANTINED
    assert version.registrant == "alice"
    assert version.contributors == ("alice",)
    assert version.card.license == "mit"
    assert version.file_count == 2
    assert story.now(version) == version
    head = story.world.commits.get(story.rosa, NAME, version.commit)
    assert (head.message, head.parents, head.author) == ("first", (), "alice")
    assert story.world.wakes == 1


def test_numbers_and_commits_follow_each_other(story: Story) -> None:
    """Each version is one number and one commit further on main."""
    first = story.push(FILES)
    second = story.push({"a": b"1"})
    assert second.number == 2
    head = story.world.commits.get(story.rosa, NAME, second.commit)
    assert head.parents == (first.commit,)
    assert head.message == "Create version"


def test_create_without_card(story: Story) -> None:
    """A version without README.md has an empty card that says what a good one has."""
    version = story.push({"a": b"1"})
    assert version.card.metadata_json == "{}"
    assert "license" in version.card.missing


def test_create_from_an_upload(story: Story) -> None:
    """A complete session becomes versions, as many as one likes."""
    source = Source(upload=UploadName(upload=story.session(FILES)))
    first, second = story.create(source), story.create(source)
    assert first.digest == second.digest
    assert (first.number, second.number) == (1, 2)


def test_spec_is_kept(story: Story) -> None:
    """What the registrant says comes back as it was said, pairs by key."""
    spec = VersionSpec(
        description="A fine-tune",
        parameters=(("lr", "0.1"), ("epochs", "3")),
        metrics=(("top1", 0.91),),
        datasets=(Dataset(name="digits", digest="sha256:" + "a" * 64, role="train"),),
        code=CodeRevision(repository="https://git.corp/x", revision="abc", dirty=True),
        run_url="https://runs.corp/1",
    )
    version = story.push(FILES, spec=spec)
    assert story.now(version).spec == VersionSpec(
        **{**spec.__dict__, "parameters": (("epochs", "3"), ("lr", "0.1"))}
    )


def test_bases_become_edges(story: Story) -> None:
    """Each declared base is an edge of the lineage from the start."""
    base = story.push(FILES)
    child = story.push({"a": b"1"}, bases=(base,))
    page = story.world.lineage.ancestors(
        story.rosa, name_of(child), depth_max=0, page=PageRequest()
    )
    (edge,) = page.edges
    assert (edge.child, edge.parent, edge.kind) == (child.name, base.name, LineageKind.FINETUNE)


def test_missing_base(story: Story) -> None:
    """A base that does not exist makes no version."""
    spec = VersionSpec(bases=(Base(version=f"{NAME}/versions/9", kind=LineageKind.MERGE),))
    with pytest.raises(NotFoundError, match="versions/9"):
        story.push(FILES, spec=spec)
    assert story.is_empty()


def test_bases_must_be_readable(story: Story) -> None:
    """A base in a namespace that the caller may not read is refused, whether or not it is there."""
    spec = VersionSpec(bases=(Base(version="models/other/x/versions/1", kind=LineageKind.MERGE),))
    with pytest.raises(PermissionDeniedError, match=r"models/other/x"):
        story.push(FILES, spec=spec)


def test_repeat_returns_the_first_result(story: Story) -> None:
    """A repeat with the same request_id makes nothing new, also after its session has expired."""
    source = Source(upload=UploadName(upload=story.session(FILES)))
    first = story.create(source, request_id="r-1")
    story.world.clock.advance(2 * 24 * 3600 * 1_000_000)
    assert story.create(source, request_id="r-1") == first
    assert len(story.versions()) == 1


def test_repeat_with_other_content(story: Story) -> None:
    """A request_id that comes again with other content is refused."""
    story.create(story.send(FILES), request_id="r-1")
    with pytest.raises(RequestIdReusedError):
        story.create(story.send({"a": b"1"}), request_id="r-1")


def test_failed_call_leaves_the_request_id_unused(story: Story) -> None:
    """A request_id whose call failed can be used again."""
    with pytest.raises(TooLargeError):
        story.create(story.send({"README.md": b"x" * 1_000_001}), request_id="r-1")
    assert story.create(story.send(FILES), request_id="r-1").number == 1


def test_contributors_since_the_version_before(story: Story) -> None:
    """All who wrote commits since the version before contribute, those before it do not."""
    story.commit({"a": b"1"}, by=story.ann)
    first = story.cut("main")
    assert first.contributors == ("alice", "ann")
    second = story.push({"b": b"2"})
    assert second.contributors == ("alice",)


def test_contributors_live_on_in_bytes_that_nobody_decided_on(story: Story) -> None:
    """A later version that keeps undecided bytes keeps whoever brought them from approving it."""
    story.push({"a": b"weights", "b": b"1"}, by=story.ann)
    second = story.push({"a": b"weights", "b": b"2"})
    third = story.push({"a": b"weights", "b": b"3"})
    assert second.contributors == ("alice", "ann")
    assert third.contributors == ("alice", "ann")
    assert story.push({"a": b"other weights", "b": b"4"}).contributors == ("alice",)


def test_contributors_end_with_a_decision(story: Story) -> None:
    """Once a version was in a stage, those behind it may judge what comes after it."""
    first = story.vetted(story.push({"a.txt": b"weights", "b.txt": b"1"}))
    story.promote(first)
    second = story.push({"a.txt": b"weights", "b.txt": b"2"}, by=story.ann)
    assert second.contributors == ("ann",)


def test_contributors_of_a_second_cut(story: Story) -> None:
    """Whoever wrote the commit contributes to each version cut from it."""
    made = story.commit({"a": b"1"}, by=story.ann)
    story.cut(made.id)
    again = story.cut(made.id)
    assert again.contributors == ("alice", "ann")


def test_cut_twice(story: Story) -> None:
    """Two versions cut from one commit have equal digests and numbers of their own."""
    made = story.commit(FILES)
    first, second = story.cut(made.id), story.cut("main")
    assert (first.number, second.number) == (1, 2)
    assert first.digest == second.digest == made.tree
    assert first.card.license == "mit"
    assert story.world.wakes == 2


def test_cut_what_is_not_there(story: Story) -> None:
    """A commit or branch that the model lacks is not found."""
    for revision in ("0" * 40, "dev"):
        with pytest.raises(NotFoundError, match=revision):
            story.cut(revision)


@pytest.mark.parametrize("revision", ["abc1234", "1234567", "ABC1234", "a" * 39, "a" * 41])
def test_cut_wants_whole_commit_ids(story: Story, revision: str) -> None:
    """Who gives part of a commit id is told to give all of it, not to rename a branch."""
    with pytest.raises(InvalidFieldError, match="Give all 40 digits") as refused:
        story.cut(revision)
    assert refused.value.field == "revision"
    assert refused.value.found == f"{len(revision)} characters, '{revision}'"


def test_cut_repeats(story: Story) -> None:
    """A repeated cut returns the first one's version, even though the branch has moved since."""
    story.commit(FILES)
    first = story.cut("main", request_id="r")
    story.commit({"a": b"1"})
    assert story.cut("main", request_id="r") == first


def test_cut_empty_tree(story: Story) -> None:
    """A commit without files makes no version."""
    story.commit(FILES)
    story.commit({}, replace_tree=True)
    with pytest.raises(InvalidFieldError, match="no files"):
        story.cut("main")


def test_get_missing(story: Story) -> None:
    """A number that was not given out is not found, nor is one of a model that is not there."""
    with pytest.raises(NotFoundError, match="hallmark version list"):
        story.world.versions.get(story.rosa, VersionName(model=NAME, number=9))
    ghost = ModelName(path="fraud/ghost")
    with pytest.raises(NotFoundError):
        story.world.versions.get(story.rosa, VersionName(model=ghost, number=1))


def listed(story: Story, **wanted: object) -> list[int]:
    """Numbers over all pages of two."""
    numbers: list[int] = []
    token = ""
    while True:
        given: dict[str, object] = {"state": None, "digest": "", "order_by": "", **wanted}
        page = story.world.versions.list(
            story.rosa,
            NAME,
            page=PageRequest(size=2, token=token),
            **given,  # type: ignore[arg-type]
        )
        numbers += [version.number for version in page.items]
        token = page.next_page_token
        if not token:
            return numbers


def test_list(story: Story) -> None:
    """Versions come newest first, or oldest first, by state and by digest, page by page."""
    versions: list[Version] = [story.push({"a.txt": str(n).encode()}) for n in range(5)]
    story.vetted(versions[0])
    story.push({"a.txt": b"0"})
    assert listed(story) == [6, 5, 4, 3, 2, 1]
    assert listed(story, order_by="number") == [1, 2, 3, 4, 5, 6]
    assert listed(story, order_by="number desc") == [6, 5, 4, 3, 2, 1]
    assert listed(story, state=VersionState.QUARANTINED) == [6]
    assert listed(story, digest=versions[0].digest) == [6, 1]


def test_list_refuses_other_orders(story: Story) -> None:
    """An order that versions do not have is refused."""
    with pytest.raises(InvalidFieldError, match="order_by"):
        listed(story, order_by="size")


@pytest.mark.parametrize("digest", ["x", "sha256:", "sha256:" + "G" * 64, "sha256:\0", "\0"])
def test_list_refuses_what_is_no_digest(story: Story, digest: str) -> None:
    """A digest that is none is refused."""
    with pytest.raises(InvalidFieldError) as refused:
        listed(story, digest=digest)
    assert refused.value.field == "digest"
    assert refused.value.expected == "sha256:<64 hex digits in lower case>"


def test_list_of_a_missing_model(story: Story) -> None:
    """A model that is not there has no list."""
    with pytest.raises(NotFoundError):
        story.world.versions.list(
            story.rosa,
            ModelName(path="fraud/ghost"),
            state=None,
            digest="",
            order_by="",
            page=PageRequest(),
        )


def test_files(story: Story) -> None:
    """A version's files come by path in byte order, page by page."""
    version = story.push({"b": b"2", "a": b"1", "a.b": b"3", "C": b"4"} | {"é": b"5"})
    paths: list[str] = []
    token = ""
    while True:
        page = story.world.versions.files(
            story.rosa, name_of(version), PageRequest(size=2, token=token)
        )
        paths += [file.path for file in page.items]
        token = page.next_page_token
        if not token:
            break
    assert paths == sorted(["b", "a", "a.b", "é", "C"], key=str.encode)


def test_files_of_a_commit(story: Story) -> None:
    """A commit's files are shown to those who may write there, and to nobody else."""
    made = story.commit({"a": b"1"})
    name = CommitName(model=NAME, commit=made.id)
    (file,) = story.world.versions.files(story.ann, name, PageRequest()).items
    assert file == manifest_file("a", b"1")
    with pytest.raises(PermissionDeniedError):
        story.world.versions.files(story.rosa, name, PageRequest())


def test_manifest(story: Story) -> None:
    """The manifest's canonical bytes hash to the version's digest."""
    version = story.push(FILES)
    manifest = story.world.versions.manifest(story.rosa, name_of(version))
    sha256 = hashlib.sha256(manifest.canonical_json).hexdigest()
    assert f"sha256:{sha256}" == manifest.digest == version.digest


@pytest.mark.slow
def test_manifest_too_large(story: Story) -> None:
    """A manifest that would not fit into a reply is refused with the call to make instead."""
    long = "d" * 200 + "/" + "e" * 200 + "/"
    files = {f"{long}{n:06}": b"" for n in range(6000)}
    version = story.push(files)
    with pytest.raises(TooLargeError, match="ListFiles") as refused:
        story.world.versions.manifest(story.rosa, name_of(version))
    (violation,) = refused.value.field_violations
    assert violation.field == "name"
    assert f"found {version.name} with a manifest of " in violation.description


def test_permissions(story: Story) -> None:
    """Readers make no versions, and others see none."""
    with pytest.raises(PermissionDeniedError):
        story.create(story.send(FILES), by=story.rosa)
    with pytest.raises(PermissionDeniedError):
        story.cut("main", by=story.rosa)
    version = story.push(FILES)
    for read in (
        lambda: story.world.versions.get(story.mallory, name_of(version)),
        lambda: story.world.versions.manifest(story.mallory, name_of(version)),
        lambda: story.world.versions.files(story.mallory, name_of(version), PageRequest()),
    ):
        with pytest.raises(PermissionDeniedError):
            read()


def test_auditors_see_metadata(story: Story) -> None:
    """An auditor reads versions and their manifests."""
    auditor = story.world.caller("audrey", grant(Role.AUDITOR))
    version = story.push(FILES)
    assert story.world.versions.get(auditor, name_of(version)).digest == version.digest
    assert MODEL in version.name
