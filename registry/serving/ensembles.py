"""Rules of ensembles: models of one repository that hand tensors on to each other.

Sources: core/src/model_config_utils.cc, `ValidateEnsembleSchedulingConfig` and
`BuildEnsembleGraph`; core/src/ensemble_scheduler/ensemble_utils.cc, `ValidateEnsembleConfig`;
core/src/model_repository_manager.cc, `ConnectDependencyGraph`. Tried on Triton 24.10.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.domain.readiness import Point, Weight
from registry.formats.look import Rule, quoted
from registry.names.text import visible
from registry.serving.config_completing import ENSEMBLE
from registry.serving.config_values import ANY, dims_of, shown_dims, type_name
from registry.serving.pbtxt import Config, keyed, nearest
from registry.serving.points import point
from registry.serving.repository import Place

STEPS = Rule(
    "ENSEMBLE-1",
    "An ensemble has steps, each with a model, inputs and outputs, and nothing of a model's own.",
    "Complete the step, or remove what is not an ensemble's.",
)
MODELS = Rule(
    "ENSEMBLE-2",
    "The model of each step is in the repository, in the version that the step asks for.",
    "Push the model in the same version, or see that the server has it; `model_version: -1` takes "
    "its latest.",
)
GRAPH = Rule(
    "ENSEMBLE-3",
    "Each tensor is made once, by an input or a step, before it is used, and all are used.",
    "Map the tensor to what makes it, or remove it.",
)
MAPPED = Rule(
    "ENSEMBLE-4",
    "A step maps all inputs of its model, and outputs that the model has.",
    "Map the model's tensors by their own names.",
)
MATCHING = Rule(
    "ENSEMBLE-5",
    "What one model makes fits what the next takes, in type and shape.",
    "Let both say the same type and shape.",
)
BATCHES = Rule(
    "ENSEMBLE-6",
    "Each model takes batches as large as the ensemble's, or none.",
    "Lower the ensemble's max_batch_size, or raise the model's.",
)
ACYCLIC = Rule(
    "ENSEMBLE-7",
    "No ensemble is a step of itself, nor of one of its own steps.",
    "Remove the step.",
)
RULES = (STEPS, MODELS, GRAPH, MAPPED, MATCHING, BATCHES, ACYCLIC)

_STEP = "ensemble_scheduling.step"
#: Backends whose models may tell their tensors only when they are loaded.
_TELLING = ("python", "vllm", "tensorrtllm", "tensorrt", "openvino", "tensorflow", "dali")


@dataclass(frozen=True, kw_only=True)
class Member:
    """A model of the repository."""

    place: Place
    #: Both None where its config.pbtxt cannot be read.
    config: Config | None
    #: With what Triton fills in (`config_completing.py`).
    message: Any | None

    @property
    def is_ensemble(self) -> bool:
        message = self.message
        return message is not None and bool(
            message.platform == ENSEMBLE or message.HasField("ensemble_scheduling")
        )


@dataclass(frozen=True, kw_only=True)
class _Ensemble:
    member: Member
    config: Config
    message: Any
    others: Mapping[str, Member]

    def blocks(self, rule: Rule, way: str, found: str, expected: str = "", fix: str = "") -> Point:
        return self._point(rule, Weight.BLOCKS, way, found, expected, fix)

    def doubts(self, rule: Rule, way: str, found: str, expected: str = "") -> Point:
        return self._point(rule, Weight.DOUBTS, way, found, expected, "")

    def _point(
        self, rule: Rule, weight: Weight, way: str, found: str, expected: str, fix: str
    ) -> Point:
        return point(
            rule,
            weight,
            # Keys of maps are whatever the file says.
            visible(way),
            found,
            expected,
            fix=fix,
            path=self.member.place.config_path,
            position=self.config.at(way),
        )

    @property
    def steps(self) -> Sequence[Any]:
        steps: Sequence[Any] = self.message.ensemble_scheduling.step
        return steps


def check(members: Sequence[Member]) -> Iterator[tuple[str, Point]]:
    """Points of all ensembles among the models of a repository, each with the ensemble's name."""
    others = {member.place.name: member for member in members}
    for member in members:
        if member.is_ensemble and member.config is not None:
            ensemble = _Ensemble(
                member=member, config=member.config, message=member.message, others=others
            )
            for found in _check(ensemble):
                yield member.place.name, found


def _check(ensemble: _Ensemble) -> Iterator[Point]:
    if not ensemble.message.HasField("ensemble_scheduling"):
        # A rule of its configuration says so.
        return
    incomplete = list(_complete(ensemble))
    yield from incomplete
    if not incomplete:
        yield from _graph(ensemble)
    circles = list(_circles(ensemble))
    yield from circles
    yield from _models(ensemble)
    if not incomplete and not circles:
        yield from _tensors(ensemble)


def _complete(ensemble: _Ensemble) -> Iterator[Point]:
    message = ensemble.message
    for field in ("instance_group", "model_warmup"):
        if getattr(message, field):
            yield ensemble.blocks(STEPS, field, f"{field} of an ensemble", "none")
    if message.HasField("optimization"):
        yield ensemble.blocks(STEPS, "optimization", "optimization of an ensemble", "none")
    if not ensemble.steps:
        yield ensemble.blocks(STEPS, "ensemble_scheduling", "no steps", "one at least")
    for index, step in enumerate(ensemble.steps):
        for field in ("model_name", "input_map", "output_map"):
            if not getattr(step, field):
                yield ensemble.blocks(STEPS, f"{_STEP}[{index}]", f"no {field}", field)


def _graph(ensemble: _Ensemble) -> Iterator[Point]:
    """The flow of tensors, as the server follows it: by their names within the ensemble."""
    makers = _ways(ensemble, "output_map")
    users = _ways(ensemble, "input_map")
    for tensor, ways in makers.items():
        for way in ways[1:]:
            yield ensemble.blocks(GRAPH, way, f"{quoted(tensor)} is made a second time", "once")
    known = [*makers, *users]
    yield from _loose_ends(ensemble, known)
    ready = _ready(ensemble, {io.name for io in ensemble.message.input if io.name in known})
    yield from _unmade(ensemble, ready, makers, users)
    outputs = [io.name for io in ensemble.message.output]
    for tensor, ways in makers.items():
        if tensor in ready and tensor not in users and tensor not in outputs:
            found = f"{quoted(tensor)}, which nothing uses"
            yield ensemble.blocks(GRAPH, ways[0], found, "a use, or an output")


def _ways(ensemble: _Ensemble, field: str) -> dict[str, list[str]]:
    """Where the steps map each tensor of the ensemble."""
    ways: defaultdict[str, list[str]] = defaultdict(list)
    for index, step in enumerate(ensemble.steps):
        for name, tensor in getattr(step, field).items():
            ways[tensor].append(keyed(f"{_STEP}[{index}].{field}", name))
    return dict(ways)


def _loose_ends(ensemble: _Ensemble, known: list[str]) -> Iterator[Point]:
    """Inputs and outputs of the ensemble that are in no step."""
    for kind, verb in (("input", "takes"), ("output", "makes")):
        for index, io in enumerate(getattr(ensemble.message, kind)):
            if io.name not in known:
                near = nearest(io.name, known)
                found = f"{kind} {quoted(io.name)} that no step {verb}"
                expected = quoted(near) if near else f"one of {', '.join(map(quoted, known))}"
                yield ensemble.blocks(GRAPH, f"{kind}[{index}].name", found, expected)


def _ready(ensemble: _Ensemble, ready: set[str]) -> set[str]:
    """Tensors that come to be, from the inputs on."""
    missing = [set(step.input_map.values()) - ready for step in ensemble.steps]
    waiting: defaultdict[str, list[int]] = defaultdict(list)
    for index, tensors in enumerate(missing):
        for tensor in tensors:
            waiting[tensor].append(index)
    able = [index for index, tensors in enumerate(missing) if not tensors]
    while able:
        for tensor in set(ensemble.steps[able.pop()].output_map.values()) - ready:
            ready.add(tensor)
            for index in waiting[tensor]:
                missing[index].discard(tensor)
                if not missing[index]:
                    able.append(index)
    return ready


def _unmade(
    ensemble: _Ensemble,
    ready: set[str],
    makers: Mapping[str, list[str]],
    users: Mapping[str, list[str]],
) -> Iterator[Point]:
    """What never comes to be: nobody makes it, or it is in a circle."""
    missing = [tensor for tensor in users if tensor not in ready and tensor not in makers]
    for tensor in missing:
        near = nearest(tensor, sorted(ready))
        expected = f"an input or a step that makes it{f'; {quoted(near)} is there' if near else ''}"
        found = f"{quoted(tensor)}, which nothing makes"
        yield ensemble.blocks(GRAPH, users[tensor][0], found, expected)
    stuck = [tensor for tensor in users if tensor in makers and tensor not in ready]
    if stuck and not missing:
        found = f"a circle through {', '.join(map(quoted, stuck))}"
        yield ensemble.blocks(GRAPH, users[stuck[0]][0], found, "tensors that are made before")


def _circles(ensemble: _Ensemble) -> Iterator[Point]:
    name = ensemble.member.place.name
    for index, step in enumerate(ensemble.steps):
        if name in _reached(step.model_name, ensemble.others):
            way = f"{_STEP}[{index}].model_name"
            found = f"{quoted(step.model_name)}, which leads back to this ensemble"
            yield ensemble.blocks(ACYCLIC, way, found, "another model")


def _reached(start: str, others: Mapping[str, Member]) -> set[str]:
    """Models that a model needs, itself among them."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        member = others.get(name)
        if member is not None and member.message is not None:
            waiting += [step.model_name for step in member.message.ensemble_scheduling.step]
    return reached


def _models(ensemble: _Ensemble) -> Iterator[Point]:
    for index, step in enumerate(ensemble.steps):
        way = f"{_STEP}[{index}].model_name"
        member = ensemble.others.get(step.model_name)
        # A namespace counts only where the server is told to heed them.
        if step.model_name and member is None:
            near = nearest(step.model_name, ensemble.others)
            found = f"model {quoted(step.model_name)}, which is not in this version"
            expected = f"one that the server has{f'; {quoted(near)} is here' if near else ''}"
            yield ensemble.doubts(MODELS, way, found, expected)
        elif member is not None and member.message is None:
            found = f"model {quoted(step.model_name)}, whose config.pbtxt cannot be read"
            yield ensemble.blocks(MODELS, way, found, "one that loads")
        elif member is not None and not member.is_ensemble:
            yield from _version(ensemble, step, member, f"{_STEP}[{index}]")


def _version(ensemble: _Ensemble, step: Any, member: Member, way: str) -> Iterator[Point]:
    """-1 asks for the latest; a step that says nothing asks for version 0."""
    there = member.place.versions
    if step.model_version not in (-1, *there):
        said = "" if f"{way}.model_version" in ensemble.config.positions else ", as it says none"
        found = f"version {step.model_version} of {quoted(step.model_name)}{said}"
        expected = f"-1, or one of {', '.join(map(str, there)) or 'none'}"
        yield ensemble.blocks(
            MODELS, f"{way}.model_version", found, expected, "Write `model_version: -1`."
        )


@dataclass(frozen=True)
class _Tensor:
    """What one side says of a tensor."""

    whose: str
    data_type: str
    dims: tuple[int, ...]
    is_batched: bool

    @property
    def whole(self) -> tuple[int, ...]:
        return (ANY, *self.dims) if self.is_batched else self.dims


def _tensors(ensemble: _Ensemble) -> Iterator[Point]:
    """Names, types, shapes and batches, step by step; what one side says first counts for all."""
    message = ensemble.message
    is_batched = message.max_batch_size > 0
    known = {
        io.name: _Tensor("the ensemble", type_name(io.data_type), tuple(dims_of(io)), is_batched)
        for io in (*message.input, *message.output)
    }
    for index, step in enumerate(ensemble.steps):
        member = ensemble.others.get(step.model_name)
        if member is None or member.message is None:
            continue
        model = member.message
        way = f"{_STEP}[{index}]"
        if 0 < model.max_batch_size < message.max_batch_size:
            found = f"{message.max_batch_size}, with {quoted(step.model_name)} as a step"
            expected = f"{model.max_batch_size} at most, as that model takes"
            yield ensemble.blocks(BATCHES, "max_batch_size", found, expected)
        yield from _mapped(ensemble, step, model, way)
        yield from _matching(ensemble, step, model, way, known)


def _tells(model: Any, kind: str) -> bool:
    """Whether the configuration has the model's tensors of a kind."""
    return bool(getattr(model, kind)) or model.backend not in _TELLING


def _mapped(ensemble: _Ensemble, step: Any, model: Any, way: str) -> Iterator[Point]:
    for kind in ("input", "output"):
        field = f"{kind}_map"
        mapped = getattr(step, field)
        names = [io.name for io in getattr(model, kind)]
        if not _tells(model, kind):
            found = f"{kind}s of {quoted(step.model_name)}, which it tells when it is loaded"
            expected = f"`{kind}` in its config.pbtxt"
            yield ensemble.doubts(MAPPED, f"{way}.{field}", found, expected)
            continue
        for name in mapped:
            if name not in names:
                found = f"{kind} {quoted(name)}, which {quoted(step.model_name)} does not have"
                near = nearest(name, names)
                expected = quoted(near) if near else f"one of {', '.join(map(quoted, names))}"
                yield ensemble.blocks(MAPPED, keyed(f"{way}.{field}", name), found, expected)
        for io in model.input if kind == "input" else ():
            if io.name not in mapped and not io.optional:
                found = f"no input {quoted(io.name)} of {quoted(step.model_name)}"
                yield ensemble.blocks(MAPPED, f"{way}.input_map", found, "all its inputs")


def _matching(
    ensemble: _Ensemble, step: Any, model: Any, way: str, known: dict[str, _Tensor]
) -> Iterator[Point]:
    is_batched = model.max_batch_size > 0
    for kind in ("input", "output"):
        field = f"{kind}_map"
        by_name = {io.name: io for io in getattr(model, kind)}
        for name, tensor in getattr(step, field).items():
            if name not in by_name:
                continue
            io = by_name[name]
            said = _Tensor(
                quoted(step.model_name), type_name(io.data_type), tuple(io.dims), is_batched
            )
            other = known.setdefault(tensor, said)
            at = keyed(f"{way}.{field}", name)
            if other.data_type != said.data_type:
                found = f"{said.data_type} of {said.whose}"
                expected = f"{other.data_type}, as {other.whose} has {quoted(tensor)}"
                yield ensemble.blocks(MATCHING, at, found, expected)
            elif not _fit(other.dims, said.dims) and not _fit(other.whole, said.whole):
                found = f"{shown_dims(said.whole)} of {said.whose}"
                expected = f"{shown_dims(other.whole)}, as {other.whose} has {quoted(tensor)}"
                yield ensemble.blocks(MATCHING, at, found, expected)


def _fit(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return len(one) == len(other) and all(
        left == right or ANY in (left, right) for left, right in zip(one, other, strict=True)
    )
