"""What is read off a version for its gate: formats by name, flags by card, one word a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.file_formats import format_of, formats_of
from registry.domain.gate_documents import NAMES, document_of, flags_of, shown_where, without_nulls
from registry.domain.gates import GateInput
from registry.domain.policies import Gate
from registry.domain.promotions import Decision, Outcome, counts
from registry.domain.times import rfc3339, time_of
from registry.domain.versions import Card, Version, VersionSpec, VersionState

VERSION = Version(
    key=1,
    uid="u",
    model_key=1,
    model="huggingface/acme/m",
    namespace="huggingface",
    number=7,
    digest="sha256:" + "7" * 64,
    commit="c" * 40,
    state=VersionState.RELEASED,
    registrant="alice",
    create_time_us=0,
    spec=VersionSpec(),
    card=Card(metadata_json='{"a":null,"b":[null,1],"tags":["NSFW","x"]}'),
    file_count=1,
    size_bytes=1,
    vetting=None,
    yank_reason="",
    yanked_from=None,
    contributors=("ann",),
)
WORD = Decision(
    outcome=Outcome.APPROVE,
    decider="bob",
    roles=("reviewer",),
    digest=VERSION.digest,
    policy_digest="p",
    comment="",
    create_time_us=1,
    decider_uid="u-bob",
    rules_digest="r",
)


@pytest.mark.parametrize(
    ("path", "format"),
    [
        ("model.safetensors", "safetensors"),
        ("a/b/MODEL.PKL", "pickle"),
        ("m.joblib", "joblib"),
        ("m.pt", "torch-pickle"),
        ("pytorch_model-00001-of-2.bin", "torch-pickle"),
        ("model_best.pth.tar", "torch-pickle"),
        ("model.tar", "archive"),
        ("weights.bin", "other"),
        ("a.pkl/readme.md", "text"),
        ("test_data_set_0/input_0.pb", "onnx-sample"),
        ("run.py", "code"),
        ("", "other"),
    ],
)
def test_formats_go_by_the_name(path: str, format: str) -> None:
    """The last part of a path decides, in any case."""
    assert format_of(path) == format


def test_formats_once_and_sorted() -> None:
    """Each format is told once."""
    assert formats_of(["b.pkl", "a.json", "c.pickle"]) == ("json", "pickle")


def document(**changes: object) -> Mapping[str, object]:
    asked = GateInput(gate=Gate.PROMOTE, version=VERSION, now_us=5, actor="system")
    given = replace(asked, **changes)  # type: ignore[arg-type]
    return document_of(given, {"triton": {"production": "26.04"}}, policy_digest="p")


def test_a_mirrored_version() -> None:
    """Hub and publisher come from the path, the registrant is among the contributors, and nulls of
    the card are left out."""
    version = document()["version"]
    assert isinstance(version, dict)
    assert (version["origin"], version["hub"], version["publisher"]) == (
        "mirrored",
        "huggingface",
        "acme",
    )
    assert version["contributors"] == ["alice", "ann"]
    assert version["card"] == {"b": [1], "tags": ["NSFW", "x"]}
    assert version["flags"] == ["nsfw"]
    assert version["verdict"] == "none"


def test_the_target_has_the_stages_release() -> None:
    """The Triton release is that of the stage."""
    assert document(stage="production")["target"] == {"stage": "production", "triton": "26.04"}
    assert document(stage="staging")["target"] == {"stage": "staging", "triton": ""}


def test_a_person_counts_once() -> None:
    """Two names of one person are one approval, the newer one."""
    again = replace(WORD, decider="bobby", create_time_us=2)
    decisions = document(decisions=(WORD, again))["decisions"]
    assert isinstance(decisions, list)
    assert [each["by"] for each in decisions] == ["bobby"]


def test_parts_are_made_when_they_are_looked_at() -> None:
    """A document has all its parts, in the order of the reference; what nobody looks at is never
    made, and what was made once is not made again."""
    lazy = document()
    assert lazy["version"] is lazy["version"]
    assert (tuple(lazy), len(lazy)) == (NAMES, len(NAMES))
    nowhen = document(now_us=2**80)
    assert nowhen["gate"] == "promote"
    with pytest.raises(OverflowError):
        dict(nowhen)


def test_flags() -> None:
    """A card's own list counts whole, its tags as far as they warn."""
    assert flags_of({"content_flags": "Violence", "tags": ["nsfw", "text"]}) == ["nsfw", "violence"]
    assert flags_of({"content_flags": 3, "tags": "not-for-all-audiences"}) == [
        "not-for-all-audiences"
    ]


@given(
    st.recursive(st.none() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
@pytest.mark.slow
def test_no_null_is_left(value: object) -> None:
    """Whatever is nested, no null stays within it."""
    assert not has_null([each for each in [without_nulls(value)] if each is not None])


def has_null(value: object) -> bool:
    if isinstance(value, dict):
        return has_null(list(value.values()))
    return any(map(has_null, value)) if isinstance(value, list) else value is None


@given(st.integers(0, 4 * 10**15))
def test_times_come_back(time_us: int) -> None:
    """A time as text is the same time, to the microsecond."""
    assert time_of(rfc3339(time_us)) == time_us


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"digest": "other"}, False),
        ({"policy_digest": "other"}, False),
        ({"rules_digest": "other"}, False),
        ({"expire_time_us": 10}, False),
        ({"expire_time_us": 11}, True),
        ({"create_time_us": -90}, False),
        ({"create_time_us": -89}, True),
    ],
)
def test_what_counts(change: dict[str, object], expected: bool) -> None:
    """A word dies with digest, policy and verdict, and when it runs out."""
    assert (
        counts(
            replace(WORD, **change),  # type: ignore[arg-type]
            digest=VERSION.digest,
            policy_digest="p",
            rules_digest="r",
            now_us=10,
            validity_us=100,
        )
        is expected
    )


def test_licenses_of_nobody_knows_whom_are_for_who_sees_all() -> None:
    """In documents that were kept before bases had names in them, their licenses are hidden from
    whoever may not read everything; one that has none is shown as it is."""
    kept = document()
    assert shown_where(kept, lambda name: False) is kept
    version = dict(kept["version"])  # type: ignore[call-overload]
    del version["bases"]
    old = {**kept, "version": {**version, "base_licenses": ["gemma"]}}
    assert shown_where(old, lambda name: name == "") is old
    seen = shown_where(old, lambda name: name != "")
    assert seen["version"]["base_licenses"] == ["hidden"]
