"""Manifests: order, digest, bounds and differences."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, replace
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain import manifests
from registry.domain.manifests import (
    FILE_SIZE_BYTES_MAX,
    FILES_MAX,
    TOTAL_SIZE_BYTES_MAX,
    Manifest,
    ManifestDiff,
    ManifestFile,
    diff,
    guess_media_type,
)
from registry.errors import InvalidFieldError, InvalidRequestError, TooLargeError

EMPTY_OBJECT = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def file(path: str, **other: object) -> ManifestFile:
    values: dict[str, object] = {"size_bytes": 2, "sha256": EMPTY_OBJECT, "media_type": ""}
    return ManifestFile(path=path, **{**values, **other})  # type: ignore[arg-type]


digests = st.sampled_from([hashlib.sha256(bytes([n])).hexdigest() for n in range(4)])
paths = st.sampled_from(
    ["a", "b.json", "c/d", "c/e.bin", "c/\u00e9", "z", "\uffee", "\U0001f600", "model.onnx"]
)
files = st.builds(
    lambda path, size, sha256, kind: file(path, size_bytes=size, sha256=sha256, media_type=kind),
    paths,
    st.integers(0, FILE_SIZE_BYTES_MAX),
    digests,
    st.sampled_from(["", "application/json", "text/plain"]),
)
file_lists = st.lists(files, unique_by=lambda file: file.path).filter(
    lambda files: sum(file.size_bytes for file in files) <= TOTAL_SIZE_BYTES_MAX
)
made = file_lists.map(Manifest.of)

# --- Digest --------------------------------------------------------------------------------------


def test_the_documented_example_has_the_documented_digest() -> None:
    """The example in the documentation can be made by hand, and is what the code makes."""
    doc = manifests.__doc__ or ""
    lines = [line.strip() for line in doc.splitlines()]
    start = next(n for n, line in enumerate(lines) if line.startswith('{"files"'))
    documented = "".join(lines[start : start + 3]).encode()
    manifest = Manifest.of([file("config.json")])
    assert manifest.canonical_json == documented
    assert manifest.digest in lines
    assert manifest.digest == f"sha256:{hashlib.sha256(documented).hexdigest()}"
    assert manifest.digest == (
        "sha256:38143657c5306954bbc669444e73b2dbe5a078c6ba5ae2506dff75e9730f5374"
    )


@given(made)
def test_a_client_makes_the_same_digest(manifest: Manifest) -> None:
    """The recipe for clients gives the digest from the files as listed."""
    listed = [asdict(file) for file in manifest.files]
    data = json.dumps(
        {"files": listed, "schema": "hallmark.manifest.v1"},
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
    assert manifest.digest == "sha256:" + hashlib.sha256(data).hexdigest()


@given(file_lists, st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(
    given_files: list[ManifestFile], random: object
) -> None:
    """Files come out by the bytes of their paths, whatever their order, and the digest is one."""
    manifest = Manifest.of(given_files)
    shuffled = list(given_files)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert Manifest.of(shuffled) == manifest
    assert Manifest.of(shuffled).digest == manifest.digest
    assert [f.path.encode() for f in manifest.files] == sorted(f.path.encode() for f in given_files)
    assert manifest.size_bytes == sum(f.size_bytes for f in given_files)


@given(made, made)
def test_equal_digests_mean_equal_files(first: Manifest, second: Manifest) -> None:
    """Any difference in path, size, sha256 or media type is a difference in digest."""
    assert (first.digest == second.digest) is (first.files == second.files)


@given(made)
def test_a_manifest_of_its_own_files_is_itself(manifest: Manifest) -> None:
    """What was checked once passes again and stays as it is."""
    assert Manifest.of(manifest.files) == manifest


def test_a_manifest_may_be_empty() -> None:
    """No files make a manifest with a digest of its own."""
    assert Manifest.of([]).canonical_json == b'{"files":[],"schema":"hallmark.manifest.v1"}'


# --- Media types ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("config.json", "application/json"),
        ("README.md", "text/markdown"),
        ("onnx/Model.ONNX", "application/x-onnx"),
        ("a.b/weights.safetensors", "application/x-safetensors"),
        ("q4.gguf", "application/x-gguf"),
        ("arrays.npz", "application/x-npz"),
        ("config.pbtxt", "text/plain"),
        ("pytorch_model.bin", "application/octet-stream"),
        ("model.pt", "application/octet-stream"),
        ("page.html", "application/octet-stream"),
        ("a.svg", "application/octet-stream"),
        ("a.js", "application/octet-stream"),
        ("LICENSE", "application/octet-stream"),
        ("json", "application/octet-stream"),
        ("a.json/b", "application/octet-stream"),
    ],
)
def test_media_types_are_guessed_from_the_extension(path: str, media_type: str) -> None:
    """An empty media type is filled in; unknown files and what browsers run are plain bytes."""
    assert guess_media_type(path) == media_type
    assert Manifest.of([file(path)]).files[0].media_type == media_type
    assert Manifest.of([file(path, media_type="text/csv")]).files[0].media_type == "text/csv"


# --- Refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "field", "found", "expected"),
    [
        (file("../x"), "files[1].path", "'..'", "without '.' and '..'"),
        (file("a\x00"), "files[1].path", "U+0000", "visible"),
        (file(""), "files[1].path", "nothing", "1-1024 bytes"),
        (file("\ud800"), "files[1].path", "U+D800", "visible"),
        (file("x", sha256=""), "files[1].sha256", "0 characters", "64 hex digits"),
        (file("x", sha256="A" * 64), "files[1].sha256", "AAAA", "lower case"),
        (file("x", sha256="a" * 64 + "\n"), "files[1].sha256", "65 characters", "64 hex digits"),
        (file("x", sha256="sha256:" + "a" * 64), "files[1].sha256", "71", "64 hex digits"),
        (file("x", size_bytes=-1), "files[1].size_bytes", "-1 for 'x'", "0 to 11258999"),
        (file("x", size_bytes=2**50 + 1), "files[1].size_bytes", "1125899906842625", "0 to"),
        (file("x", media_type="json"), "files[1].media_type", "'json' for 'x'", "a media type"),
        (file("x", media_type="Text/Plain"), "files[1].media_type", "Text", "lower case"),
        (file("x", media_type="text/plain; charset=x"), "files[1].media_type", ";", "parameters"),
        (file("x", media_type="text/plain\r\nA: b"), "files[1].media_type", "<U+000D>", "type"),
        (file("Good"), "files", "'Good' and 'good'", "case"),
        (file("good/x"), "files", "'good' and 'good/x'", "file or a folder"),
        (file("good"), "files", "'good' and 'good'", "each path once"),
    ],
)
def test_a_bad_file_is_refused(bad: ManifestFile, field: str, found: str, expected: str) -> None:
    """The refusal names the file's field, what was found in it and what was expected."""
    with pytest.raises(InvalidFieldError) as caught:
        Manifest.of([file("good"), bad])
    assert caught.value.field == field
    assert found in caught.value.found
    assert expected in caught.value.expected
    assert caught.value.fix
    assert str(caught.value).isprintable()


def test_all_problems_are_told_together() -> None:
    """Several bad fields make one error with a violation each."""
    bad = ManifestFile(path="/x", size_bytes=-1, sha256="x", media_type="x")
    with pytest.raises(InvalidRequestError) as caught:
        Manifest.of([file("good"), bad], field="source.files")
    assert [violation.field for violation in caught.value.violations] == [
        "source.files[1].path",
        "source.files[1].sha256",
        "source.files[1].size_bytes",
        "source.files[1].media_type",
    ]
    assert all(
        "found" in v.description and "expected" in v.description for v in caught.value.violations
    )


@pytest.mark.slow
def test_a_manifest_is_bounded() -> None:
    """More than 100,000 files, 4 PiB or 16 MiB of paths are refused before anything else."""
    with pytest.raises(TooLargeError, match="more than 100000 files"):
        Manifest.of(repeat(file("x")))
    with pytest.raises(
        TooLargeError, match=r"bytes in all, expected at most 4503599627370496 bytes"
    ):
        Manifest.of(file(f"x{n}", size_bytes=FILE_SIZE_BYTES_MAX) for n in range(5))
    with pytest.raises(
        TooLargeError, match="bytes of paths in all, expected at most 16777216 bytes"
    ):
        Manifest.of(file(f"{n}/" + "x" * 200) for n in range(90_000))


@pytest.mark.slow
def test_the_largest_number_of_files_is_taken() -> None:
    """100,000 files make a manifest."""
    manifest = Manifest.of(file(f"part-{n % 1000}/{n}.bin") for n in range(FILES_MAX))
    assert len(manifest.files) == FILES_MAX
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", manifest.digest)


# --- Differences ---------------------------------------------------------------------------------


def apply(change: ManifestDiff, before: Manifest) -> Manifest:
    """The manifest that comes of a change, step by step."""
    left = {f.path: f for f in before.files}
    for gone in (*change.removed, *(c.before for c in (*change.changed, *change.renamed))):
        assert left.pop(gone.path) == gone
    for new in (*change.added, *(c.after for c in (*change.changed, *change.renamed))):
        assert new.path not in left
        left[new.path] = new
    return Manifest.of(left.values())


@given(made, made)
def test_a_difference_applied_gives_the_other(before: Manifest, after: Manifest) -> None:
    """Applying `diff(before, after)` to `before` gives `after`."""
    assert apply(diff(before, after), before) == after


@given(made, made)
def test_a_difference_says_each_thing_once(before: Manifest, after: Manifest) -> None:
    """Parts are in path order, what is named changed really did, and renames keep their bytes."""
    change = diff(before, after)
    assert [f.path for f in change.added] == sorted(f.path for f in change.added)
    assert [f.path for f in change.removed] == sorted(f.path for f in change.removed)
    assert [c.after.path for c in change.changed] == sorted(c.after.path for c in change.changed)
    assert [c.after.path for c in change.renamed] == sorted(c.after.path for c in change.renamed)
    for pair in change.changed:
        assert pair.before.path == pair.after.path
        assert pair.before != pair.after
    for pair in change.renamed:
        assert pair.before.sha256 == pair.after.sha256
        assert pair.before.path != pair.after.path
    assert not {f.sha256 for f in change.added} & {f.sha256 for f in change.removed}


@given(made)
def test_nothing_differs_from_itself(manifest: Manifest) -> None:
    """The difference of equal manifests is empty."""
    assert diff(manifest, manifest) == ManifestDiff(added=(), removed=(), changed=(), renamed=())


def test_each_kind_of_difference_by_example() -> None:
    """Added, removed, changed and renamed files are told apart."""
    one, two, three = ("1" * 64, "2" * 64, "3" * 64)
    before = Manifest.of(
        [file("kept"), file("gone", sha256=one), file("old/name", sha256=two), file("same")]
    )
    changed = file("same", sha256=three)
    renamed = file("new/name", sha256=two, media_type="text/plain")
    after = Manifest.of([file("kept"), file("fresh", sha256=three), renamed, changed])
    change = diff(before, after)
    assert [f.path for f in change.added] == ["fresh"]
    assert [f.path for f in change.removed] == ["gone"]
    assert [(c.before.sha256, c.after.sha256) for c in change.changed] == [(EMPTY_OBJECT, three)]
    assert [(c.before.path, c.after.path) for c in change.renamed] == [("old/name", "new/name")]
    relabelled = Manifest.of([replace(f, media_type="text/plain") for f in before.files])
    assert [c.after.path for c in diff(before, relabelled).changed] == [
        f.path for f in before.files
    ]
