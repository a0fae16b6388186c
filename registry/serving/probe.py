"""The probe: a real Triton loads a model under a throw-away name, answers, and unloads it again.

It tells what no table can: that this server, with its backends, its memory and its release, serves
these files, as they do here. The model's code runs on that server: whoever probes files that nobody
has vetted should have a server for nothing else.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

from registry.domain.readiness import (
    Latency,
    Point,
    ProbeResult,
    Run,
    TritonRelease,
    Weight,
)
from registry.formats.look import Rule
from registry.names.text import show
from registry.serving import probe_rules as rules
from registry.serving.candidates import Candidate, Case, Tensor
from registry.serving.comparing import differs
from registry.serving.points import point
from registry.serving.probe_client import Client
from registry.serving.probe_faults import FaultError, server_fault
from registry.serving.probe_loading import Loading
from registry.serving.probe_target import ProbeTarget

PROVIDER = "triton"
#: Of one size of batch: so many requests, or as many as there is time for.
REQUESTS_MAX = 100
MEASURE_S = 3.0


def probe(
    target: ProbeTarget, models: Sequence[Candidate], release: TritonRelease, *, now_s: int
) -> ProbeResult:
    """Of the last of the models; the others are what it needs, each in front of those that need
    it. Whatever happens, and also where it is interrupted, what was loaded is unloaded."""
    return _Probe(target, models, release, now_s).run()


class _Probe:
    def __init__(
        self,
        target: ProbeTarget,
        models: Sequence[Candidate],
        release: TritonRelease,
        now_s: int,
    ) -> None:
        self._target = target
        self._models = models
        self._model = models[-1]
        self._release = release
        self._now_s = now_s
        self._version = self._name = ""
        self._load_s = 0.0
        self._runs: list[Run] = []
        self._latencies: list[Latency] = []
        self._points: list[Point] = []
        #: What could not be undone.
        self._left: list[Point] = []

    def run(self) -> ProbeResult:
        try:
            with Client(self._target) as client:
                self._meet(client)
                self._load_and_ask(client)
        except FaultError as fault:
            self._points.append(fault.point)
        return ProbeResult(
            model=self._model.name,
            address=self._target.address,
            release=self._release.name,
            server_version=self._version,
            name=self._name,
            load_s=self._load_s,
            runs=tuple(self._runs),
            latencies=tuple(self._latencies),
            points=(*self._points, *self._left),
        )

    def _meet(self, client: Client) -> None:
        """Nothing is loaded into a server whose word would be of another release."""
        if not client.is_live():
            raise server_fault(rules.LIVE, "it says that it is not", "live")
        self._version = client.version()
        expected = self._release.server
        if expected and self._version != expected:
            raise server_fault(
                rules.SAME_RELEASE,
                f"it is version {show(self._version)}",
                f"{expected}, of release {self._release.name}",
            )

    def _load_and_ask(self, client: Client) -> None:
        loading = Loading(client, self._target, self._now_s)
        try:
            was_ready = client.is_ready()
            loading.remove_left_overs()
            begun_s = time.monotonic()
            with loading.loaded(self._models, was_ready=was_ready):
                self._load_s = round(time.monotonic() - begun_s, 3)
                self._ask(client, loading.names[self._model.name])
        finally:
            self._name = loading.names.get(self._model.name, "")
            self._left = loading.points

    # --- Asking -----------------------------------------------------------------------------------

    def _ask(self, client: Client, name: str) -> None:
        if not self._model.cases:
            found = f"nothing to ask it with: {self._model.excuse}"
            self._tell(rules.ASKED, Weight.DOUBTS, "the model", found, "inputs")
            return
        if not any(case.outputs for case in self._model.cases):
            found = "nobody here knows what it should answer"
            self._tell(rules.ASKED, Weight.REMARK, "the model", found, "outputs to compare with")
        in_sequence = "sequence_batching" in self._model.config
        told: set[str] = set()
        for case in self._model.cases:
            begun_s = time.monotonic()
            outputs = client.infer(name, case, in_sequence=in_sequence)
            duration_ms = round((time.monotonic() - begun_s) * 1000, 3)
            self._runs.append(
                Run(
                    name=case.name,
                    axes=case.axes,
                    provider=PROVIDER,
                    duration_ms=duration_ms,
                    shapes={each: tensor.array.shape for each, tensor in outputs.items()},
                    differences=self._compare(case, outputs, told),
                )
            )
        for case in self._model.cases:
            if case.is_made:
                self._latencies.append(_measure(client, name, case, in_sequence=in_sequence))

    def _compare(
        self, case: Case, outputs: Mapping[str, Tensor], told: set[str]
    ) -> Mapping[str, float]:
        """The greatest differences; each output is told of once."""
        greatest = {}
        for name, expected in case.outputs.items():
            if name in outputs:
                said, greatest[name] = _differs(case, name, outputs[name], expected)
            else:
                said = ("found none", "it")
            if said is not None and name not in told:
                told.add(name)
                found = f"{said[0]}, {case.name}"
                self._tell(rules.EQUAL, Weight.BLOCKS, f"output {show(name)}", found, said[1])
        return greatest

    def _tell(self, rule: Rule, weight: Weight, subject: str, found: str, expected: str) -> None:
        self._points.append(point(rule, weight, subject, found, expected))


def _differs(
    case: Case, name: str, found: Tensor, expected: Tensor
) -> tuple[tuple[str, str] | None, float]:
    if found.dtype != expected.dtype:
        return (f"found {found.dtype}", expected.dtype), 0.0
    return differs(found.array, expected.array, expected.dtype, case.tolerance(name))


def _measure(client: Client, name: str, case: Case, *, in_sequence: bool) -> Latency:
    """One request after the other, the first of which has been before."""
    taken_ms: list[float] = []
    until = time.monotonic() + MEASURE_S
    while len(taken_ms) < REQUESTS_MAX and (not taken_ms or time.monotonic() < until):
        begun_s = time.perf_counter()
        client.infer(name, case, in_sequence=in_sequence)
        taken_ms.append((time.perf_counter() - begun_s) * 1000)
    taken_ms.sort()
    return Latency(
        batch=case.batch,
        requests=len(taken_ms),
        p50_ms=_percentile(taken_ms, 50),
        p99_ms=_percentile(taken_ms, 99),
    )


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """By nearest rank: one of the values, of which there is at least one."""
    return round(ordered[math.ceil(len(ordered) * percent / 100) - 1], 3)
