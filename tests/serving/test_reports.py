"""What the jail says of models is the word of a process that has read hostile bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.readiness import (
    ModelReport,
    Point,
    Report,
    Run,
    Signature,
    TensorInfo,
    Weight,
    report_to_document,
)
from registry.serving.reports import CONFIG_CHARS_MAX, POINTS_MAX, report_of

POINT = Point(
    rule="GRAPH-2", weight=Weight.BLOCKS, subject="node 'a'", found="f", path="p", line=3, column=1
)
REPORT = Report(
    release="25.10",
    onnxruntime="1.23.0",
    models=(
        ModelReport(
            name="m",
            folder="sub/m",
            backend="onnxruntime",
            config='name: "m"\n\tmax_batch_size: 8\n',
            config_diff="-a\n+b\n",
            signature=Signature(
                inputs=(TensorInfo(name="x", dtype="FLOAT", dims=("N", 4, None)),),
                outputs=(TensorInfo(name="s", dtype="", dims=None, kind="sequence"),),
            ),
            runs=(
                Run(
                    name="made",
                    axes={"N": 1},
                    provider="CPUExecutionProvider",
                    duration_ms=0.5,
                    shapes={"y": (1, 4)},
                    differences={"y": 0.0},
                ),
            ),
            peak_bytes=5,
            points=(POINT,),
        ),
    ),
    points=(POINT,),
)


def document() -> Any:
    return json.loads(json.dumps(report_to_document(REPORT)))


def test_a_sound_word_is_taken() -> None:
    assert report_of(document()) == REPORT


def _set(*way: str | int, to: Any) -> Callable[[Any], None]:
    def change(said: Any) -> None:
        for each in way[:-1]:
            said = said[each]
        said[way[-1]] = to

    return change


_MODEL = ("models", 0)
_RUN = (*_MODEL, "runs", 0)
_TENSOR = (*_MODEL, "signature", "inputs", 0)


@pytest.mark.parametrize(
    "change",
    [
        _set("release", to="25.10\n✓ ready"),
        _set("onnxruntime", to="\x1b[2J"),
        _set("models", to={}),
        _set("points", to=[report_to_document(REPORT)["points"][0]] * (POINTS_MAX + 1)),
        _set("points", 0, "rule", to="GRAPH-2\nGRAPH-3"),
        _set("points", 0, "weight", to="fine"),
        _set("points", 0, "line", to=-1),
        _set("points", 0, "line", to=True),
        _set("points", 0, "found", to=None),
        _set(*_MODEL, "name", to=5),
        _set(*_MODEL, "is_config_generated", to="no"),
        _set(*_MODEL, "config", to="a" * (CONFIG_CHARS_MAX + 1)),
        _set(*_MODEL, "peak_bytes", to=2**70),
        _set(*_RUN, "duration_ms", to=10**400),
        _set(*_RUN, "duration_ms", to=float("nan")),
        _set(*_RUN, "differences", to={"y": -1.0}),
        _set(*_RUN, "differences", to={"y": float("inf")}),
        _set(*_RUN, "shapes", to={"y": [-1]}),
        _set(*_RUN, "axes", to=[["N", 1]]),
        _set(*_TENSOR, "dtype", to="float32\n"),
        _set(*_TENSOR, "kind", to="pickle"),
        _set(*_TENSOR, "dims", to=[1] * 65),
        _set(*_TENSOR, "dims", to=[1.5]),
    ],
)
def test_a_word_of_another_form_is_none(change: Callable[[Any], None]) -> None:
    """It would trip whoever reads it, or be shown where it forges a line."""
    said = document()
    change(said)
    with pytest.raises((KeyError, TypeError, ValueError)):
        report_of(said)


@given(st.text(st.characters(blacklist_categories=()), max_size=20))
def test_texts_are_lines_that_do_nothing(text: str) -> None:
    said = document()
    said["points"][0]["found"] = said["models"][0]["name"] = text
    said["models"][0]["config"] = text
    said["models"][0]["runs"][0]["shapes"] = {text: [1]}
    heard = report_of(said)
    (model,) = heard.models
    for shown in (heard.points[0].found, model.name, *model.runs[0].shapes):
        assert shown.isprintable()
        shown.encode()
    assert all(character.isprintable() or character in "\n\t" for character in model.config)
    model.config.encode()
