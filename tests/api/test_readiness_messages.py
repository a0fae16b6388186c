"""Reports of readiness say the same in the domain, as JSON, and on both ends of the wire."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from registry.api.readiness import report_to_proto
from registry.client.readiness import report_of
from registry.domain.readiness import (
    Latency,
    ModelReport,
    Point,
    ProbeResult,
    Readiness,
    Report,
    Run,
    Signature,
    TensorInfo,
    Weight,
    probe_from_document,
    probe_to_document,
    report_from_document,
    report_to_document,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(0, 2**31 - 1)
points = st.builds(
    Point,
    rule=texts,
    weight=st.sampled_from(Weight),
    subject=texts,
    found=texts,
    expected=texts,
    fix=texts,
    path=texts,
    line=numbers,
    column=numbers,
)
tensors = st.builds(
    TensorInfo,
    name=texts,
    dtype=texts,
    dims=st.none() | st.lists(st.none() | numbers | texts, max_size=4).map(tuple),
    kind=texts,
    is_optional=st.booleans(),
)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    lengths = st.lists(st.integers(0, 2**40), max_size=3).map(tuple)
    shapes = draw(st.dictionaries(texts, lengths, max_size=3))
    compared = draw(st.sets(st.sampled_from(sorted(shapes)))) if shapes else set()
    return Run(
        name=draw(texts),
        axes=draw(st.dictionaries(texts, numbers, max_size=2)),
        provider=draw(texts),
        duration_ms=draw(st.floats(0, 1e9)),
        shapes=shapes,
        differences={name: draw(st.floats(0, 1e9)) for name in compared},
    )


def listed(items: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(items, max_size=2).map(tuple)


models = st.builds(
    ModelReport,
    name=texts,
    folder=texts,
    backend=texts,
    config=texts,
    is_config_generated=st.booleans(),
    config_diff=texts,
    files=listed(st.tuples(texts, texts)),
    signature=st.none() | st.builds(Signature, inputs=listed(tensors), outputs=listed(tensors)),
    runs=listed(runs()),
    peak_bytes=st.integers(0, 2**50),
    points=listed(points),
)
reports = st.builds(
    Report, release=texts, onnxruntime=texts, models=listed(models), points=listed(points)
)


@given(reports)
def test_a_report_is_the_same_at_the_other_end(report: Report) -> None:
    assert report_of(report.release, report_to_proto(report)) == report


@given(reports)
def test_a_report_is_the_same_after_json(report: Report) -> None:
    assert report_from_document(json.loads(json.dumps(report_to_document(report)))) == report


probes = st.builds(
    ProbeResult,
    model=texts,
    address=texts,
    release=texts,
    server_version=texts,
    name=texts,
    load_s=st.floats(0, 1e9),
    runs=listed(runs()),
    latencies=listed(
        st.builds(
            Latency,
            batch=numbers,
            requests=numbers,
            p50_ms=st.floats(0, 1e9),
            p99_ms=st.floats(0, 1e9),
        )
    ),
    points=listed(points),
)


@given(probes)
def test_a_probe_is_the_same_after_json(result: ProbeResult) -> None:
    assert probe_from_document(json.loads(json.dumps(probe_to_document(result)))) == result


@given(reports)
def test_the_worst_point_decides(report: Report) -> None:
    """And is told first."""
    weights = [point.weight for point in report.all_points()]
    assert weights == sorted(weights, key=list(Weight).index)
    expected = {Weight.BLOCKS: Readiness.NOT_READY, Weight.DOUBTS: Readiness.UNKNOWN}
    worst = expected.get(weights[0], Readiness.READY) if weights else Readiness.READY
    assert report.readiness is worst
