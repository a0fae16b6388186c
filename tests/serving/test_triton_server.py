"""The recorded pairs of config and model: a real Triton decides each as it stands there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from registry.testing.triton import Outcome, TritonServer
from registry.testing.triton_pairs import Pair
from registry.testing.triton_pairs.making import config, relu
from registry.testing.triton_pairs.table import PAIRS

#: Models in a server at once: each has a process or two.
WAVE = 24


class Waves:
    """Loads pairs by the wave, the first time that one of it is asked for."""

    def __init__(self, server: TritonServer) -> None:
        self._server = server
        self._found: dict[str, Outcome] = {}
        self._failures: dict[str, str] = {}

    def outcome(self, pair: Pair) -> Outcome:
        self._load_with(pair)
        return self._found[pair.name]

    def failure(self, pair: Pair) -> str:
        """Of a request to a model that was accepted; empty where it was answered."""
        self._load_with(pair)
        return self._failures[pair.name]

    def _load_with(self, pair: Pair) -> None:
        if pair.name in self._found:
            return
        start = PAIRS.index(pair) // WAVE * WAVE
        wave = PAIRS[start : start + WAVE]
        self._server.put({path: each for one in wave for path, each in one.files.items()})
        try:
            self._found |= self._server.load_many([one.name for one in wave])
            for one in wave:
                if self._found[one.name].accepted:
                    self._failures[one.name] = ask(self._server, one.name)
        finally:
            self._server.unload_all()


def ask(server: TritonServer, model: str) -> str:
    """Ask once, as the config that the server completed wants it; the failure or nothing."""
    said = server.config(model)
    if not can_be_asked(said):
        return ""
    batch = [1] if said["max_batch_size"] > 0 else []
    try:
        server.infer(model, {each["name"]: ones(each, batch) for each in said["input"]})
    except RuntimeError as error:
        return str(error)
    return ""


def can_be_asked(said: dict[str, Any]) -> bool:
    """Whether the stand-in runs it, and whether one request and answer make sense."""
    is_ragged = any(each["allow_ragged_batch"] for each in said["input"])
    is_decoupled = said.get("model_transaction_policy", {}).get("decoupled", False)
    return not (is_ragged or said["batch_input"] or "sequence_batching" in said or is_decoupled)


def ones(said: dict[str, Any], batch: list[int]) -> NDArray[Any]:
    shape = [*batch, *(4 if axis == -1 else axis for axis in said["dims"])]
    if said["data_type"] == "TYPE_STRING":
        return np.full(shape, b"1", object)
    name = said["data_type"].removeprefix("TYPE_").lower()
    return np.ones(shape, re.sub(r"^fp", "float", name))


@pytest.fixture(scope="module")
def waves() -> Iterator[Waves]:
    with TritonServer() as server:
        yield Waves(server)


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_the_server_decides_as_recorded(pair: Pair, waves: Waves) -> None:
    """It accepts or refuses the model, and a refusal gives the recorded cause."""
    found = waves.outcome(pair)
    print(found.told)
    assert found.accepted == pair.is_accepted
    assert re.search(pair.core or pair.backend, found.told)


@pytest.mark.slow
@pytest.mark.parametrize(
    "pair", [each for each in PAIRS if each.is_accepted], ids=lambda pair: pair.name
)
def test_what_it_accepts_answers_as_recorded(pair: Pair, waves: Waves) -> None:
    """A sound model answers a request that fits its config; the others fail it."""
    found = waves.failure(pair)
    print(found)
    assert bool(found) == (pair.fails_in_use and not pair.source)


@pytest.mark.slow
def test_a_version_beyond_64_bits_ends_the_server() -> None:
    """A folder of a version with too large a number takes all other models down too."""
    with TritonServer() as server:
        server.put({f"m/{2**63}/model.onnx": relu(), "m/config.pbtxt": config().encode()})
        with pytest.raises(RuntimeError, match="std::out_of_range"):
            server.load("m")


def test_pairs_are_told_apart() -> None:
    """No two have a name or a model in common, so that a wave holds them side by side."""
    models = [{path.partition("/")[0] for path in pair.files} for pair in PAIRS]
    counted = Counter(model for each in models for model in each)
    assert [model for model, count in counted.items() if count > 1] == []
    assert all(pair.name in found for pair, found in zip(PAIRS, models, strict=True))


def test_each_pair_says_who_decides() -> None:
    """Core or backend refuses it, not both; what the backend does is cited."""
    assert [pair.name for pair in PAIRS if pair.core and pair.backend] == []
    assert [pair.name for pair in PAIRS if pair.backend and not pair.source] == []
    assert [pair.name for pair in PAIRS if pair.fails_in_use and not pair.is_accepted] == []
