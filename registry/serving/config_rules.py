"""All rules of config.pbtxt, for one model and one release.

They say what the server would do with it: a point blocks only what the release refuses, by the
sources that each file of rules names.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from registry.domain.readiness import Point, Signature, Weight
from registry.formats.look import Rule
from registry.serving import (
    config_batching,
    config_instances,
    config_model,
    config_onnxruntime,
    config_release,
    config_tensors,
)
from registry.serving.config_case import Case, IsKnown, Target
from registry.serving.config_completing import completed
from registry.serving.pbtxt import Config, PbtxtError
from registry.serving.points import point
from registry.serving.repository import Place

READABLE = Rule(
    "CONFIG-1",
    "config.pbtxt is text in protobuf's format, of fields that a configuration has.",
    "Correct the text at that place.",
)
#: More of one file tell nothing new.
POINTS_MAX = 500
_CHECKS = (
    config_model,
    config_tensors,
    config_batching,
    config_instances,
    config_onnxruntime,
    config_release,
)
RULES: tuple[Rule, ...] = (READABLE, *(rule for each in _CHECKS for rule in each.RULES))


def check(
    config: Config,
    signature: Signature | None,
    place: Place,
    release: Target,
    is_known: IsKnown,
    *,
    is_inferred: bool = False,
) -> Iterator[Point]:
    """What the release makes of a configuration; `signature` is None for what is no ONNX.
    `is_inferred`: it is as ONNX Runtime tells it, with all axes that it infers."""
    case = Case(
        config=config,
        message=completed(config.message, place, signature),
        signature=signature,
        place=place,
        target=release,
        is_known=is_known,
        is_inferred=is_inferred,
    )
    points = chain.from_iterable(each.check(case) for each in _CHECKS)
    yield from islice(points, POINTS_MAX)
    if next(points, None) is not None:
        # What is among those that nobody sees, nobody can tell.
        found = f"more than {POINTS_MAX} points"
        yield point(READABLE, Weight.DOUBTS, "config.pbtxt", found, path=place.config_path)


def unreadable(error: PbtxtError, place: Place) -> Point:
    """Of a text that is no configuration."""
    return point(
        READABLE,
        Weight.BLOCKS,
        "config.pbtxt",
        error.found,
        error.expected,
        fix=error.fix,
        path=place.config_path,
        position=error.position,
    )
