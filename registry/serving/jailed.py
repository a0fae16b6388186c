"""Inside the jail: reads the models of a folder, or runs one of them, and answers with reports.

    python -m registry.serving.jailed DESCRIPTOR

How it is told and heard stands in `registry/jail/inside.py`. Its setup has `part`, which says what
it is for (`read`, `run` or `make`, each of which loads what others do not need), the `folder` that
it may read, the one of the `previous` version or an empty text, and what a model at their `root` is
called. `read` also has `releases` (`releases.py`); it is sent what sessions have told of the
models' signatures, at first nothing, and answers with a report for each release. `run` is sent a
report of one model and answers with it, the dry run told. `make` is sent a report of all models,
and answers with what a probe asks of each (`probe_making.py`).

All modules are imported, and all of our own tables are read, before the process is locked in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from registry.domain.readiness import (
    report_from_document,
    report_to_document,
    signature_from,
)
from registry.jail.inside import begin, lock_in

if TYPE_CHECKING:
    from registry.serving.onnx_rules import Runtime

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def main(arguments: list[str]) -> None:
    channel, setup = begin(arguments[0])
    # numpy's linear algebra would begin threads as it is imported, which the jail does not let go
    # on; what it is used for here takes none.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    answer = _PARTS[setup["part"]](setup)
    folders = [each for each in (setup["folder"], setup["previous"]) if each]
    channel.send({"open_layers": lock_in(setup, folders)})
    while request := channel.receive():
        head, _ = request
        channel.send(answer(head))


def _reading(setup: Mapping[str, Any]) -> Answer:
    from registry.serving.models import RootName
    from registry.serving.reading import Reader
    from registry.serving.releases import Release

    releases = [Release(**each) for each in setup["releases"]]
    runtimes = measured({each.onnxruntime for each in releases})
    reader = Reader(releases, runtimes, RootName(**setup["root"]))

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        told = [None if each is None else signature_from(each) for each in request["told"]]
        found = reader.reports(setup["folder"], told)
        return {"reports": [report_to_document(each) for each in found]}

    return answer


def measured(versions: Iterable[str]) -> Mapping[str, Runtime]:
    """What is known of those versions of ONNX Runtime that were measured."""
    from registry.serving.runtimes import runtime, runtimes

    known = runtimes()
    return {version: runtime(version) for version in sorted(versions) if version in known}


def _running(setup: Mapping[str, Any]) -> Answer:
    from registry.jail.memory import PeakMemory
    from registry.serving.models import RootName
    from registry.serving.running import run
    from registry.serving.session import warm_up

    warm_up()
    peak = PeakMemory()
    root = RootName(**setup["root"])

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        report = report_from_document(request["report"])
        ran = run(report, setup["folder"], setup["previous"], root, peak)
        return {"report": report_to_document(ran)}

    return answer


def _making(setup: Mapping[str, Any]) -> Answer:
    from registry.serving.models import RootName
    from registry.serving.probe_making import make
    from registry.serving.session import warm_up

    root = RootName(**setup["root"])
    warm_up()

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        report = report_from_document(request["report"])
        return {"models": make(report, setup["folder"], root)}

    return answer


_PARTS: Mapping[str, Callable[[Mapping[str, Any]], Answer]] = {
    "read": _reading,
    "run": _running,
    "make": _making,
}


if __name__ == "__main__":
    main(sys.argv[1:])
