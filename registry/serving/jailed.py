"""Inside the jail: reads the models of a folder, or runs one of them, and answers with reports.

    python -m registry.serving.jailed DESCRIPTOR

How it is told and heard stands in `registry/jail/inside.py`. Its setup has `part`, which says what
it is for (`read`, `run` or `make`, each of which loads what others do not need), the `folder` that
it may read, and the one of the `previous` version or an empty text. `read` also has `releases`,
each a pair of its version and that of its ONNX Runtime, and answers any request with a report for
each. `run` is sent a report of one model and answers with it, the dry run told. `make` is sent a
report of the models that a probe is about, and answers with what it is made with
(`probe_making.py`).

All modules are imported, and all of our own tables are read, before the process is locked in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from registry.domain.readiness import report_from_document, report_to_document
from registry.jail.inside import begin, lock_in

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
    from registry.serving.reading import Reader

    reader = Reader([(str(version), str(runtime)) for version, runtime in setup["releases"]])
    return lambda _: {
        "reports": [report_to_document(each) for each in reader.reports(setup["folder"])]
    }


def _running(setup: Mapping[str, Any]) -> Answer:
    from registry.serving.running import run
    from registry.serving.session import warm_up

    warm_up()

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        report = report_from_document(request["report"])
        return {"report": report_to_document(run(report, setup["folder"], setup["previous"]))}

    return answer


def _making(setup: Mapping[str, Any]) -> Answer:
    from registry.serving.probe_making import make
    from registry.serving.session import warm_up

    warm_up()

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"models": make(report_from_document(request["report"]), setup["folder"])}

    return answer


_PARTS: Mapping[str, Callable[[Mapping[str, Any]], Answer]] = {
    "read": _reading,
    "run": _running,
    "make": _making,
}


if __name__ == "__main__":
    main(sys.argv[1:])
