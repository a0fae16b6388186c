"""Versions as messages: nothing that they say is lost on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.api.convert import timestamp
from registry.api.versions import spec_from_proto, to_proto
from registry.domain.versions import (
    Base,
    Card,
    CodeRevision,
    Dataset,
    Finding,
    LineageKind,
    Verdict,
    Version,
    VersionSpec,
    VersionState,
    Vetting,
)

VERSION = Version(
    key=1,
    uid="11111111-1111-4111-8111-111111111111",
    model_key=2,
    model="fraud/scorer",
    namespace="fraud",
    number=7,
    digest="sha256:" + "a" * 64,
    commit="b" * 40,
    state=VersionState.QUARANTINED,
    registrant="ann",
    create_time_us=1_700_000_000_123_456,
    spec=VersionSpec(),
    card=Card(),
    file_count=2,
    size_bytes=10,
    vetting=None,
    yank_reason="",
    yanked_from=None,
    contributors=("ann", "bob"),
)

texts = st.text(st.characters(codec="utf-8"), max_size=8)
specs = st.builds(
    VersionSpec,
    description=texts,
    parameters=st.dictionaries(texts, texts, max_size=4).map(lambda d: tuple(sorted(d.items()))),
    metrics=st.dictionaries(texts, st.floats(allow_nan=False), max_size=4).map(
        lambda d: tuple(sorted(d.items()))
    ),
    datasets=st.lists(
        st.builds(Dataset, name=texts, digest=texts, uri=texts, role=texts), max_size=2
    ).map(tuple),
    code=st.builds(CodeRevision, repository=texts, revision=texts, dirty=st.booleans()),
    run_url=texts,
    bases=st.lists(
        st.builds(Base, version=texts, kind=st.sampled_from(LineageKind)), max_size=2
    ).map(tuple),
)


@given(specs)
def test_a_spec_comes_back(spec: VersionSpec) -> None:
    """What was said of a version is what its message says, but for the order of pairs."""
    read = spec_from_proto(to_proto(replace(VERSION, spec=spec)).spec)
    ordered = replace(
        read, parameters=tuple(sorted(read.parameters)), metrics=tuple(sorted(read.metrics))
    )
    assert ordered == spec


def test_a_version_is_told_in_full() -> None:
    """Each field has its value, and an empty spec and card are there."""
    vetting = Vetting(
        verdict=Verdict.FAIL,
        findings=(Finding(rule="r", message="m", path="p", fix="f", fails=False),),
        rules_digest="sha256:" + "c" * 64,
        time_us=5_000_001,
    )
    card = Card(metadata_json="{}", license="mit", base_models=("a/b",), missing=("tags",))
    message = to_proto(
        replace(VERSION, vetting=vetting, grace_end_us=7_000_001, card=card, stages=("production",))
    )
    assert message.name == "models/fraud/scorer/versions/7"
    assert (message.uid, message.number, message.commit) == (VERSION.uid, 7, VERSION.commit)
    assert message.create_time == timestamp(VERSION.create_time_us)
    assert message.HasField("spec")
    assert not message.spec.HasField("code")
    assert (message.card.metadata_json, message.card.license) == ("{}", "mit")
    assert list(message.card.base_models) == ["a/b"]
    assert list(message.card.missing) == ["tags"]
    assert message.vetting.findings[0].path == "p"
    assert message.vetting.time == timestamp(vetting.time_us)
    assert message.vetting.grace_end_time == timestamp(7_000_001)
    assert not to_proto(replace(VERSION, vetting=vetting)).vetting.HasField("grace_end_time")
    assert list(message.stages) == ["production"]
    assert list(message.contributors) == ["principals/ann", "principals/bob"]


@pytest.mark.parametrize("time_us", [0, -1])
def test_odd_times_are_told(time_us: int) -> None:
    """Also the epoch, which is no missing time, and what lies before it."""
    message = to_proto(replace(VERSION, create_time_us=time_us, card=Card(metadata_json="")))
    assert message.HasField("create_time")
    assert message.HasField("card")
    assert message.create_time == timestamp(time_us)
    assert not message.HasField("vetting")
