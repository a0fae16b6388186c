"""Models that the onnx library tests runtimes with, and the inputs that it runs them with."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test
from onnx import numpy_helper

DATA = Path(onnx.backend.test.__file__).parent / "data"
#: Those of a kind whose inputs are no tensors are left out.
ON_DISK = ("simple", "pytorch-converted", "pytorch-operator")


@dataclass(frozen=True)
class Case:
    name: str
    model: bytes
    #: Arrays in the order of the model's inputs; none where it brings none along.
    inputs: Sequence[Any] | None


def cases_on_disk() -> Iterator[Case]:
    for kind in ON_DISK:
        for folder in sorted((DATA / kind).iterdir()):
            files = sorted((folder / "test_data_set_0").glob("input_*.pb"))
            try:
                inputs = [numpy_helper.to_array(onnx.load_tensor(file)) for file in files]
            except Exception:  # noqa: BLE001 - sequences and optionals are no tensors
                continue
            yield Case(folder.name, (folder / "model.onnx").read_bytes(), inputs)
    for file in sorted((DATA / "light").glob("*.onnx")):
        yield Case(file.stem, file.read_bytes(), None)


def cases_of_nodes(count: int) -> Iterator[Case]:
    """So many of those with one node each, from all over their list; those whose inputs are no
    tensors are left out."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        # Cases overflow on purpose as they are made.
        warnings.simplefilter("ignore")
        cases = [each for each in collect_testcases(None) if each.model and each.data_sets]
    for case in cases[:: len(cases) // count][:count]:
        assert case.model
        assert case.data_sets
        inputs = case.data_sets[0][0]
        if all(hasattr(each, "dtype") for each in inputs):
            # Scalars are of numpy's own types, which a session does not take.
            arrays = [np.asarray(each) for each in inputs]
            yield Case(case.name, case.model.SerializeToString(), arrays)
