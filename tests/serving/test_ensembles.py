"""Ensembles: models of one repository that hand tensors on to each other."""

from __future__ import annotations

import pytest

from registry.domain.readiness import Point, Weight
from registry.serving.config_completing import completed
from registry.serving.ensembles import RULES, Member, check
from registry.serving.pbtxt import parse
from registry.serving.repository import places

BLOCKS, DOUBTS = Weight.BLOCKS, Weight.DOUBTS


def taken(name: str = "IN", data_type: str = "FP32", dims: str = "4") -> str:
    return f'input {{ name: "{name}" data_type: TYPE_{data_type} dims: [{dims}] }}\n'


def made(name: str = "OUT", data_type: str = "FP32", dims: str = "4") -> str:
    return f'output {{ name: "{name}" data_type: TYPE_{data_type} dims: [{dims}] }}\n'


def tensors(a: str = "X", b: str = "Y", dims: str = "4") -> str:
    return taken(a, dims=dims) + made(b, dims=dims)


IO = tensors("IN", "OUT")
#: Models of the repository by name: configuration, and files.
MODELS = {
    "one": "max_batch_size: 8\n" + tensors(),
    "small": "max_batch_size: 4\n" + tensors(),
    "whole": "backend: 'onnxruntime'\n" + tensors(dims="3,4"),
    "telling": "backend: 'python'\n",
    "optional": "backend: 'onnxruntime'\n"
    + tensors(dims="-1,4")
    + 'input { name: "Z" data_type: TYPE_FP32 dims: [1] optional: true }',
}


def step(
    model: str, takes: str, makes: str, says: str = "model_version: -1", a: str = "X", b: str = "Y"
) -> str:
    return (
        f'step {{ model_name: "{model}" {says} input_map {{ key: "{a}" value: "{takes}" }} '
        f'output_map {{ key: "{b}" value: "{makes}" }} }}\n'
    )


def ensemble(*steps: str, io: str = IO, batch: int = 8, also: str = "") -> str:
    return (
        f'platform: "ensemble"\nmax_batch_size: {batch}\n{also}{io}'
        f"ensemble_scheduling {{\n{''.join(steps)}}}"
    )


def look(text: str, **others: str) -> list[Point]:
    """What is found in the ensemble `all`, among the models above and others."""
    texts = {**MODELS, **others, "all": text}
    files = {f"{name}/config.pbtxt": 1 for name in texts}
    files |= {f"{name}/1/model.onnx": 1 for name in texts if name not in ("all", *others)}
    found, _ = places(files, "unused")
    members = []
    for place in found:
        config = parse(texts[place.name].encode())
        message = completed(config.message, place, None)
        members.append(Member(place=place, config=config, message=message))
    return [point for name, point in check(members) if name == "all"]


ONE = step("one", "IN", "OUT")
_OWN = step("all", "IN", "OUT", a="IN", b="OUT")
_NO_OUTPUT = 'step { model_name: "one" input_map { key: "X" value: "IN" } model_version: -1 }'
_WRONG_INPUT = 'input_map { key: "W" value: "IN" } input_map'
_WHOLE = tensors("IN", "OUT", dims="3,4")
BROKEN = [
    ("ENSEMBLE-1", BLOCKS, "ensemble_scheduling {", ensemble()),
    ("ENSEMBLE-1", BLOCKS, "step {", ensemble(step("", "IN", "OUT"))),
    ("ENSEMBLE-1", BLOCKS, "step {", ensemble(_NO_OUTPUT)),
    ("ENSEMBLE-1", BLOCKS, "instance_group", ensemble(ONE, also="instance_group { count: 2 }\n")),
    ("ENSEMBLE-1", BLOCKS, "optimization", ensemble(ONE, also="optimization { }\n")),
    ("ENSEMBLE-1", BLOCKS, "model_warmup", ensemble(ONE, also="model_warmup { }\n")),
    ("ENSEMBLE-2", DOUBTS, 'model_name: "on"', ensemble(step("on", "IN", "OUT"))),
    (
        "ENSEMBLE-2",
        BLOCKS,
        "model_version: 7",
        ensemble(step("one", "IN", "OUT", "model_version: 7")),
    ),
    ("ENSEMBLE-2", BLOCKS, "step {", ensemble(step("one", "IN", "OUT", ""))),
    ("ENSEMBLE-3", BLOCKS, "output_map", ensemble(ONE, step("one", "IN", "UNUSED"))),
    ("ENSEMBLE-3", BLOCKS, "output_map", ensemble(ONE, ONE)),
    (
        "ENSEMBLE-3",
        BLOCKS,
        "input_map",
        ensemble(ONE, step("one", "B", "A"), step("one", "A", "B")),
    ),
    ("ENSEMBLE-3", BLOCKS, "input_map", ensemble(step("one", "Q", "OUT"), io=made())),
    ("ENSEMBLE-3", BLOCKS, 'name: "MORE"', ensemble(ONE, io=IO + taken("MORE"))),
    ("ENSEMBLE-3", BLOCKS, 'name: "MORE"', ensemble(ONE, io=IO + made("MORE"))),
    (
        "ENSEMBLE-4",
        BLOCKS,
        "input_map",
        ensemble(
            step("optional", "IN", "OUT").replace("input_map", _WRONG_INPUT), batch=0, io=_WHOLE
        ),
    ),
    ("ENSEMBLE-4", BLOCKS, "output_map", ensemble(step("one", "IN", "OUT", b="W"))),
    (
        "ENSEMBLE-4",
        BLOCKS,
        "input_map",
        ensemble(
            step("optional", "IN", "OUT", a="Z"), io=taken(dims="1") + made(dims="3,4"), batch=0
        ),
    ),
    ("ENSEMBLE-5", BLOCKS, "input_map", ensemble(ONE, io=taken(data_type="FP16") + made())),
    ("ENSEMBLE-5", BLOCKS, "output_map", ensemble(ONE, io=taken() + made(dims="5"))),
    ("ENSEMBLE-6", BLOCKS, "max_batch_size: 8", ensemble(step("small", "IN", "OUT"))),
    ("ENSEMBLE-7", BLOCKS, 'model_name: "all"', ensemble(_OWN)),
]
SOUND = {
    "one step": ensemble(ONE),
    "a version": ensemble(step("one", "IN", "OUT", "model_version: 1")),
    "steps in any order": ensemble(step("one", "T", "OUT"), step("one", "IN", "T")),
    "any length": ensemble(ONE, io=tensors("IN", "OUT", dims="-1")),
    "a model of whole batches": ensemble(step("whole", "IN", "OUT"), batch=3),
    "no batches": ensemble(step("whole", "IN", "OUT"), io=_WHOLE, batch=0),
    "an optional input": ensemble(step("optional", "IN", "OUT"), io=_WHOLE, batch=0),
    "a cache": ensemble(ONE, also="response_cache { enable: true }\n"),
    "a namespace": ensemble(step("one", "IN", "OUT", 'model_version: -1 model_namespace: "n"')),
}


@pytest.mark.parametrize(
    ("rule", "weight", "at", "text"),
    [pytest.param(*row, id=f"{row[0]}-{index}") for index, row in enumerate(BROKEN)],
)
def test_each_rule_finds_what_is_wrong(rule: str, weight: Weight, at: str, text: str) -> None:
    (found,) = look(text)
    assert (found.rule, found.weight) == (rule, weight)
    assert found.path == "all/config.pbtxt"
    assert text.split("\n")[found.line - 1][found.column - 1 :].startswith(at)


def test_each_rule_is_tried_above() -> None:
    assert {row[0] for row in BROKEN} == {rule.id for rule in RULES}


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND)
def test_nothing_is_found_in_a_sound_one(text: str) -> None:
    assert look(text) == []


def test_ensembles_may_be_steps_but_not_of_their_own_steps() -> None:
    text = ensemble(step("inner", "IN", "OUT", a="IN", b="OUT"))
    assert look(text, inner=ensemble(ONE)) == []
    (found,) = look(text, inner=ensemble(_OWN))
    assert (found.rule, found.line) == ("ENSEMBLE-7", 6)


def test_models_that_tell_their_tensors_when_they_run_are_a_doubt() -> None:
    found = look(ensemble(step("telling", "IN", "OUT")))
    assert [(each.rule, each.weight) for each in found] == [("ENSEMBLE-4", DOUBTS)] * 2


def test_a_model_that_cannot_be_read_keeps_its_ensemble_from_loading() -> None:
    found, _ = places({"all/config.pbtxt": 1, "one/config.pbtxt": 1, "one/1/model.onnx": 1}, "")
    config = parse(ensemble(ONE).encode())
    members = [
        Member(place=found[0], config=config, message=config.message),
        Member(place=found[1], config=None, message=None),
    ]
    ((name, point),) = check(members)
    assert (name, point.rule, point.weight) == ("all", "ENSEMBLE-2", BLOCKS)


def test_a_misspelt_tensor_is_told_with_its_likely_name() -> None:
    text = ensemble(step("one", "IN", "T1"), step("one", "TT1", "OUT"))
    made, unused = look(text)
    assert made.message == (
        "ensemble_scheduling.step[1].input_map[\"X\"]: 'TT1', which nothing makes, expected an "
        "input or a step that makes it; 'T1' is there"
    )
    assert unused.found == "'T1', which nothing uses"
