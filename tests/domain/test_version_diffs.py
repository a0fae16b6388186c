"""What changes from one version to another, on plain values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from registry.domain.canonical import Json, canonical_json
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.version_diffs import (
    NAMED_MAX,
    Side,
    ValueChange,
    compare,
    pointers,
)
from registry.domain.versions import Card, Version, VersionSpec, VersionState


def side(
    files: Mapping[str, bytes] | None = None,
    *,
    metadata: Json = None,
    text: str = "",
    metrics: Mapping[str, float] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Side:
    manifest = Manifest.of(
        ManifestFile(
            path=path,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            media_type="",
        )
        for path, data in (files or {}).items()
    )
    spec = VersionSpec(
        metrics=tuple(sorted((metrics or {}).items())),
        parameters=tuple(sorted((parameters or {}).items())),
    )
    card = Card(metadata_json=canonical_json(metadata or {}).decode(), text=text)
    version = Version(
        key=1,
        uid="u",
        model_key=1,
        model="fraud/scorer",
        namespace="fraud",
        number=1,
        digest=manifest.digest,
        commit="c" * 40,
        state=VersionState.RELEASED,
        registrant="alice",
        create_time_us=0,
        spec=spec,
        card=card,
        file_count=len(manifest.files),
        size_bytes=manifest.size_bytes,
        vetting=None,
        yank_reason="",
        yanked_from=None,
        contributors=("alice",),
    )
    return Side(version=version, manifest=manifest, card=card, facts={})


def change(key: str, base: str, other: str) -> ValueChange:
    return ValueChange(key=key, base=base, other=other)


def test_files() -> None:
    """Added, removed, changed, renamed and equal files are told apart and counted."""
    base = side({"same": b"s", "edit": b"1", "gone": b"g", "old/name": b"moved"})
    other = side({"same": b"s", "edit": b"22", "fresh": b"nnn", "b/name": b"moved"})
    diff = compare(base, other)
    assert [f.path for f in diff.added] == ["fresh"]
    assert [f.path for f in diff.removed] == ["gone"]
    assert [(c.before.path, c.after.path) for c in diff.changed] == [("edit", "edit")]
    assert [(c.before.path, c.after.path) for c in diff.renamed] == [("old/name", "b/name")]
    counts = (diff.added_count, diff.removed_count, diff.changed_count, diff.renamed_count)
    assert counts == (1, 1, 1, 1)
    assert diff.equal_count == 1
    assert diff.new_bytes == 5


def test_new_bytes_count_once() -> None:
    """Bytes that two new files share are new once."""
    assert compare(side(), side({"a": b"12345", "b": b"12345"})).new_bytes == 5


def test_media_type_alone_is_no_change() -> None:
    """A file whose bytes are the same is equal, whatever it is said to be."""
    base, other = side({"a": b"1"}), side({"a": b"1"})
    typed = ManifestFile(
        path="a", size_bytes=1, sha256=base.manifest.files[0].sha256, media_type="text/csv"
    )
    diff = compare(
        base,
        Side(version=other.version, manifest=Manifest(files=(typed,)), card=other.card, facts={}),
    )
    assert (diff.changed_count, diff.equal_count) == (0, 1)


def test_card() -> None:
    """Card keys are JSON pointers, absent values are empty, the text goes by its digest."""
    base = side(metadata={"license": "mit", "tags": ["a", "b"], "a/b~": 1}, text="old")
    other = side(metadata={"license": "mit", "tags": ["a"], "model": {"x": True}}, text="new")
    texts = [hashlib.sha256(text).hexdigest() for text in (b"old", b"new")]
    assert compare(base, other).card == (
        change("/", texts[0], texts[1]),
        change("/a~1b~0", "1", ""),
        change("/model/x", "", "true"),
        change("/tags/1", "b", ""),
    )


def test_values_that_look_alike() -> None:
    """Values that differ only in type, or are empty against absent, are shown as JSON."""
    base, other = side(metadata={"a": 1, "b": 1}), side(metadata={"a": "1", "b": 1.0, "c": ""})
    assert compare(base, other).card == (
        change("/a", "1", '"1"'),
        change("/b", "1", "1.0"),
        change("/c", "", '""'),
    )


def test_metrics_and_parameters() -> None:
    """Metrics and parameters are compared by key."""
    base = side(metrics={"auc": 0.9, "f1": 0.5}, parameters={"lr": "0.1", "n": "3"})
    other = side(metrics={"auc": 0.91, "f1": 0.5}, parameters={"lr": "0.1", "seed": "7"})
    diff = compare(base, other)
    assert diff.metrics == (change("auc", "0.9", "0.91"),)
    assert diff.parameters == (change("n", "3", ""), change("seed", "", "7"))


def test_long_values_are_cut() -> None:
    """Values are cut at 200 characters."""
    diff = compare(side(), side(parameters={"k": "v" * 300}))
    assert diff.parameters == (change("k", "", "v" * 200),)


def test_many_files() -> None:
    """At most 1,000 files of each kind are named, all are counted."""
    diff = compare(side(), side({f"f{n:05}": str(n).encode() for n in range(NAMED_MAX + 5)}))
    assert len(diff.added) == NAMED_MAX
    assert diff.added_count == NAMED_MAX + 5


def test_what_is_named_fits_into_a_reply() -> None:
    """Names end early rather than pass 3 MB; the counts stay complete."""
    long = "x" * 200 + "/" + "y" * 200 + "/" + "z" * 200 + "/"
    base = {f"{long}{n}": f"{n}".encode() for n in range(2000)}
    other = {f"o/{long}{n}": f"{n}".encode() for n in range(1000)} | {
        f"n/{long}{n}": f"n{n}".encode() for n in range(1000)
    }
    diff = compare(side(base), side(other))
    assert (diff.renamed_count, diff.added_count, diff.removed_count) == (1000, 1000, 1000)
    named = (*diff.added, *diff.removed, *(c.before for c in diff.renamed))
    assert sum(len(f.path) + 150 for f in named) < 4_000_000
    assert len(diff.added) == len(diff.removed) == 1000
    assert len(diff.renamed) < 1000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


def follow(value: Json, pointer: str) -> Json:
    for part in pointer.split("/")[1:]:
        if isinstance(value, list):
            value = value[int(part)]
        else:
            assert isinstance(value, dict)
            value = value[part.replace("~1", "/").replace("~0", "~")]
    return value


@given(json_values)
def test_law_pointers(value: Json) -> None:
    """Each pointer leads to its leaf, and no two are equal."""
    leaves = list(pointers(value))
    assert len({pointer for pointer, _ in leaves}) == len(leaves)
    for pointer, leaf in leaves:
        assert follow(value, pointer) == leaf


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=4))
def test_law_no_change(metadata: dict[str, Json]) -> None:
    """A version does not differ from itself."""
    one = side({"a": b"1"}, metadata=json.loads(json.dumps(metadata)), text="t")
    diff = compare(one, one)
    parts = (diff.added, diff.removed, diff.changed, diff.renamed, diff.card)
    assert not any(parts)
    assert diff.equal_count == 1
    assert diff.new_bytes == 0
