"""What each rule of config.pbtxt finds, and that sound configurations have nothing to be found."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from registry.domain.readiness import Point, Weight
from registry.serving.config_rules import POINTS_MAX, RULES, check, unreadable
from registry.serving.pbtxt import PbtxtError, parse
from registry.serving.repository import places
from registry.testing.triton_configs import broken_models, broken_serving
from registry.testing.triton_configs.given import BASE, ONE, UNBATCHED, Given
from registry.testing.triton_configs.sound import SOUND

BROKEN = [*broken_models.BROKEN, *broken_serving.BROKEN]


@dataclass(frozen=True)
class Release:
    name: str = "24.10"
    server: str = "2.51.0"
    tensorrt: str = "10.4.0.26"


def look(given: Given) -> list[Point]:
    files = {f"{given.name}/{way}": size for way, size in given.files.items()}
    found, _ = places(files | {f"{given.name}/config.pbtxt": len(given.text)}, "unused")
    (place,) = found
    try:
        config = parse(given.text.encode())
    except PbtxtError as error:
        return [unreadable(error, place)]

    def is_known(message: str, name: str, server: str) -> bool:
        assert server == "2.51.0"
        return (message, name) not in given.unknown

    return list(check(config, given.signature, place, Release(), is_known))


@pytest.mark.parametrize(
    ("rule", "weight", "at", "given"),
    [pytest.param(*row, id=f"{row[0]}-{index}") for index, row in enumerate(BROKEN)],
)
def test_each_rule_finds_what_is_wrong(rule: str, weight: Weight, at: str, given: Given) -> None:
    """And nothing else finds anything, so each rule alone makes a model unready."""
    (found,) = look(given)
    assert (found.rule, found.weight) == (rule, weight)
    text = given.text.split("\n")[found.line - 1][found.column - 1 :] if found.line else ""
    assert text.startswith(at)
    assert bool(at) == bool(found.line)


@pytest.mark.parametrize("given", SOUND.values(), ids=SOUND)
def test_nothing_is_found_in_a_sound_one(given: Given) -> None:
    assert look(given) == []


def test_each_rule_is_tried_above() -> None:
    assert {row[0] for row in BROKEN} == {rule.id for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_no_more_is_said_than_anybody_reads() -> None:
    found = look(Given(BASE + "output { }" * POINTS_MAX))
    assert len(found) == POINTS_MAX + 1
    assert (found[-1].weight, found[-1].found) == (Weight.DOUBTS, "more than 500 points")


def test_a_point_says_found_expected_and_mending() -> None:
    (found,) = look(Given(BASE.replace("[4]", "[-1, 4]", 1)))
    assert found.path == "m/config.pbtxt"
    assert found.subject == "input 'X'"
    assert found.message == "input 'X': [-1, 4], expected [4], as the model has [-1, 4]"
    assert found.fix == "Leave the batch axis out of `dims`: max_batch_size stands for it."


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        (Given('backend: "onnx"'), 'Write `backend: "onnxruntime"`.'),
        (Given(BASE.replace('"Y"', '"Yy"')), "Name the tensors as the model does."),
        (Given(UNBATCHED.replace("[-1, 4]", "[4]", 1)), "Write the batch axis too, or a"),
        (Given(BASE.replace("FP32", "INT64", 1)), "Write `data_type: TYPE_FP32`."),
        (Given(BASE, ONE, {"1/mode.onnx": 1}), "Write `default_model_filename: 'mode.onnx'`"),
    ],
)
def test_the_mending_is_an_order(given: Given, fix: str) -> None:
    assert fix in look(given)[0].fix


def test_quotations_of_the_file_are_text_alone() -> None:
    (found,) = look(Given('name: "a\\033[31m\\nb"\n' + BASE))
    assert found.found == r"'a\x1b[31m\nb'"
    (found,) = look(Given(BASE + "cc_model_filenames { key: '\\033[31m' value: 'x' }"))
    assert found.subject == 'cc_model_filenames["<U+001B>[31m"]'
