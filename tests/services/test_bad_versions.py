"""Bad input to versions and commits: told by name, and nothing is left behind."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from registry.domain.access import Caller
from registry.domain.manifests import ManifestFile
from registry.domain.versions import (
    Base,
    CodeRevision,
    Dataset,
    LineageKind,
    VersionSpec,
    VersionState,
)
from registry.errors import (
    BytesMissingError,
    HallmarkError,
    InvalidFieldError,
    InvalidRequestError,
    InvalidStateError,
    NotFoundError,
    TooLargeError,
    UploadIncompleteError,
)
from registry.names import ModelName, UploadName
from registry.services.sources import Source
from registry.testing.story import MODEL, NAME, Story
from registry.testing.world import DAY_US, grant, manifest_file


@pytest.mark.parametrize(
    "path",
    [
        "../weights.txt",
        "/etc/passwd",
        "a//b",
        "a/./b",
        "a\0b",
        "a\nb",
        "a\\b",
        "NUL.txt",
        "x" * 1025,
        "e\u0301.bin",
        "a\u202eb",
        ".git/config",
        "",
    ],
)
def test_hostile_paths(story: Story, path: str) -> None:
    """A path that could leave the folder, or that a reader cannot see, makes no version."""
    good = story.send({"a": b"1"}).files[0]
    with pytest.raises(InvalidFieldError) as refused:
        story.create(Source(files=(replace(good, path=path),)))
    assert refused.value.field == "files[0].path"
    assert story.is_empty()


@pytest.mark.parametrize(
    ("first", "second"),
    [("a", "a"), ("a", "A"), ("a", "a/b"), ("é", "É"), ("ﬁle", "file")],
)
def test_colliding_paths(story: Story, first: str, second: str) -> None:
    """Paths that some file system holds for one make no version."""
    good = story.send({"a": b"1"}).files[0]
    files = (replace(good, path=first), replace(good, path=second))
    with pytest.raises(InvalidFieldError) as refused:
        story.create(Source(files=files))
    assert first in str(refused.value)
    assert second in str(refused.value)
    assert story.is_empty()


def test_several_problems_are_told_together(story: Story) -> None:
    """All wrong paths are named in one answer."""
    good = story.send({"a": b"1"}).files[0]
    files = (replace(good, path="../a"), replace(good, path="b\0"))
    with pytest.raises(InvalidRequestError) as refused:
        story.create(Source(files=files))
    assert [v.field for v in refused.value.violations] == ["files[0].path", "files[1].path"]


def test_no_files(story: Story) -> None:
    """A version without files is refused."""
    with pytest.raises(InvalidFieldError, match="no files"):
        story.create(Source())


def test_digests_that_are_not_stored(story: Story) -> None:
    """A digest whose bytes are nowhere is refused with its path."""
    with pytest.raises(BytesMissingError) as refused:
        story.create(Source(files=(manifest_file("a", b"never sent"),)))
    assert refused.value.path == "a"
    assert story.is_empty()


def test_foreign_digests_answer_as_missing_ones(story: Story) -> None:
    """Bytes that another namespace keeps to itself are not told apart from none."""
    world = story.world
    world.model("other/secret")
    story.send({"a": b"secret"}, namespace="other")
    with pytest.raises(BytesMissingError) as foreign:
        story.create(Source(files=(manifest_file("a", b"secret"),)))
    with pytest.raises(BytesMissingError) as missing:
        story.create(Source(files=(manifest_file("a", b"nowhere"),)))
    assert foreign.value.template == missing.value.template
    assert foreign.value.count == missing.value.count


def test_fetchable_digests_may_be_used(story: Story) -> None:
    """Bytes of a released version that the caller may fetch may be referred to, and belong to the
    namespace that has them in a version from then on."""
    story.world.model("shared/base")
    story.world.version("shared/base", {"a": b"shared"})
    file = manifest_file("a", b"shared")
    with pytest.raises(BytesMissingError):
        story.create(Source(files=(file,)))
    rights = story.alice.principal.grants
    both = story.world.caller("albert", *rights, *(grant(g.role, "shared") for g in rights))
    assert story.create(Source(files=(file,)), by=both).number == 1
    assert story.create(Source(files=(file,))).number == 2


def test_wrong_size(story: Story) -> None:
    """A digest with another size than its bytes have is refused."""
    file = story.send({"a": b"12345"}).files[0]
    with pytest.raises(BytesMissingError):
        story.create(Source(files=(replace(file, size_bytes=4),)))


def test_malformed_digest(story: Story) -> None:
    """A digest that is none is refused."""
    file = ManifestFile(path="a", size_bytes=1, sha256="xyz", media_type="")
    with pytest.raises(InvalidFieldError, match="64 hex"):
        story.create(Source(files=(file,)))


def use(story: Story, upload: str, *, by: Caller | None = None) -> None:
    story.create(Source(upload=UploadName(upload=upload)), by=by)


def test_incomplete_upload(story: Story) -> None:
    """A session that lacks bytes makes no version, and says which file it lacks."""
    upload = story.session({"a": b"1", "b": b"2"}, complete=False)
    with pytest.raises(UploadIncompleteError) as refused:
        use(story, upload)
    assert (refused.value.count, refused.value.path) == (2, "a")


def test_expired_upload(story: Story) -> None:
    """A session that has run out of time makes no version."""
    upload = story.session({"a": b"1"})
    story.world.clock.advance(8 * DAY_US)
    with pytest.raises(InvalidStateError, match="EXPIRED"):
        use(story, upload)


def test_foreign_upload(story: Story) -> None:
    """Another's session, one for another model and none answer alike."""
    upload = story.session({"a": b"1"})
    story.world.model("fraud/other")
    with pytest.raises(NotFoundError) as of_another:
        use(story, upload, by=story.ann)
    with pytest.raises(NotFoundError) as missing:
        use(story, "nowhere")
    assert str(of_another.value) == str(missing.value).replace("nowhere", upload)
    with pytest.raises(NotFoundError):
        story.create(Source(upload=UploadName(upload=upload)), model=ModelName(path="fraud/other"))


def test_bytes_that_are_stored_and_not_ones_own(story: Story) -> None:
    """They are refused like bytes that nobody ever sent, also where there is no such model."""
    source = story.send({"a": b"1", "b": b"2"})
    story.world.database.write(lambda tx: tx.blob_grants.forget("fraud"))
    never_sent = Source(files=tuple(manifest_file(path, b"never") for path in "ab"))
    for model in (NAME, ModelName(path="fraud/nowhere")):
        refusals = []
        for named in (source, never_sent):
            with pytest.raises(BytesMissingError) as refused:
                story.create(named, model=model)
            refusals.append((refused.value.count, refused.value.path))
        assert refusals == [(2, "a"), (2, "a")]
    assert not story.versions()


def test_upload_that_expires_meanwhile(story: Story) -> None:
    """A session that ends between the look and the commit makes no version."""
    upload = story.session({"a": b"1"})
    story.world.database.after_read = lambda: story.world.clock.advance(8 * DAY_US)
    with pytest.raises(InvalidStateError):
        use(story, upload)
    assert not story.versions()


def test_missing_model(story: Story) -> None:
    """A model that is not there gets no version."""
    with pytest.raises(NotFoundError, match="hallmark model create"):
        story.create(story.send({"a": b"1"}), model=ModelName(path="fraud/ghost"))


BAD_CARDS = [
    b"---\nlicense: [\n---\n",
    b"---\nlicense: &a mit\nother: *a\n---\n",
    b"\xff\xfe",
    b"---\n- a\n- b\n---\n",
    b"text with a \0",
]


@pytest.mark.parametrize("card", BAD_CARDS)
def test_bad_cards(story: Story, card: bytes) -> None:
    """A card whose metadata block cannot be read makes no version."""
    with pytest.raises(InvalidFieldError) as refused:
        story.push({"README.md": card})
    assert "README.md" in str(refused.value)
    assert story.is_empty()


def test_oversize_card(story: Story) -> None:
    """A card over 1 MB is refused before it is read."""
    with pytest.raises(TooLargeError, match="1000001 bytes"):
        story.push({"README.md": b"x" * 1_000_001})


DATASET = Dataset(name="digits", digest="sha256:" + "a" * 64)
BAD_SPECS: list[tuple[str, VersionSpec]] = [
    ("spec.description", VersionSpec(description="x" * 10_001)),
    ("spec.description", VersionSpec(description="a\0b")),
    ("spec.parameters", VersionSpec(parameters=tuple((str(n), "") for n in range(1001)))),
    ("spec.parameters key", VersionSpec(parameters=(("k" * 251, ""),))),
    ("spec.parameters key", VersionSpec(parameters=(("", "v"),))),
    ("spec.parameters['k']", VersionSpec(parameters=(("k", "v" * 6001),))),
    ("spec.metrics['auc']", VersionSpec(metrics=(("auc", math.nan),))),
    ("spec.metrics['auc']", VersionSpec(metrics=(("auc", math.inf),))),
    ("spec.metrics", VersionSpec(metrics=tuple((str(n), 0.0) for n in range(1001)))),
    ("spec.datasets", VersionSpec(datasets=(DATASET,) * 101)),
    ("spec.datasets[0].name", VersionSpec(datasets=(Dataset(name=""),))),
    ("spec.datasets[0].digest", VersionSpec(datasets=(Dataset(name="d", digest="md5:1"),))),
    ("spec.datasets[0].uri", VersionSpec(datasets=(Dataset(name="d", uri="u" * 2001),))),
    ("spec.datasets[0].role", VersionSpec(datasets=(Dataset(name="d", role="r" * 101),))),
    ("spec.code.revision", VersionSpec(code=CodeRevision(revision="r" * 201))),
    ("spec.code.repository", VersionSpec(code=CodeRevision(repository="r" * 2001))),
    ("spec.code.revision", VersionSpec(code=CodeRevision(revision="main\n"))),
    ("spec.datasets[0].name", VersionSpec(datasets=(Dataset(name="a\nb"),))),
    ("spec.parameters key", VersionSpec(parameters=(("a\nb", "v"),))),
    ("spec.metrics key", VersionSpec(metrics=(("a\nb", 0.5),))),
    ("spec.description", VersionSpec(description="a\u2066b")),
    ("spec.run_url", VersionSpec(run_url="javascript:alert(1)")),
    ("spec.run_url", VersionSpec(run_url="http://[")),
    ("spec.bases[0].version", VersionSpec(bases=(Base(version="x", kind=LineageKind.MERGE),))),
    (
        "spec.bases",
        VersionSpec(
            bases=(Base(version="models/fraud/scorer/versions/1", kind=LineageKind.MERGE),) * 2
        ),
    ),
]


@pytest.mark.parametrize(("field", "spec"), BAD_SPECS, ids=lambda value: str(value)[:40])
def test_bad_specs(story: Story, field: str, spec: VersionSpec) -> None:
    """A field of the spec that breaks its bounds is named, and nothing is made."""
    with pytest.raises((InvalidFieldError, TooLargeError)) as refused:
        story.push({"a": b"1"}, spec=spec)
    told = refused.value.metadata
    assert told.get("field", told.get("what")) == field
    assert story.is_empty()


def test_oversize_metadata(story: Story) -> None:
    """More than 256 kB of metadata in all is refused, though each value keeps its bound."""
    spec = VersionSpec(parameters=tuple((f"k{n}", "v" * 6000) for n in range(43)))
    with pytest.raises(TooLargeError, match="256000 bytes"):
        story.push({"a": b"1"}, spec=spec)
    assert story.is_empty()


def test_full_metadata_fits(story: Story) -> None:
    """Metadata right up to its bounds is taken and comes back."""
    spec = VersionSpec(parameters=tuple((f"k{n:02}", "v" * 6000) for n in range(42)))
    assert story.now(story.push({"a": b"1"}, spec=spec)).spec == spec


@pytest.mark.parametrize("request_id", ["a b", "x" * 129, "é"])
def test_bad_request_ids(story: Story, request_id: str) -> None:
    """A request_id that is none is refused."""
    with pytest.raises(InvalidFieldError, match="request_id"):
        story.create(story.send({"a": b"1"}), request_id=request_id)


@pytest.mark.parametrize(
    "branch", ["production", "Staging", "archived", "1234567", "7", "a..b", "MAIN"]
)
def test_bad_branches(story: Story, branch: str) -> None:
    """A branch may not be named like a stage, a number, a commit, or main in another spelling."""
    with pytest.raises(InvalidFieldError) as refused:
        story.commit({"a": b"1"}, branch=branch)
    assert refused.value.field == "branch"
    assert story.is_empty()


def test_database_gone(story: Story) -> None:
    """Where the unit of work fails, neither version nor commit is there."""
    source = story.send({"a": b"1"})
    story.world.database.error = HallmarkError()
    with pytest.raises(HallmarkError):
        story.create(source)
    story.world.database.error = None
    assert story.is_empty()
    assert story.create(source).state is VersionState.QUARANTINED
    assert NAME.path == MODEL
