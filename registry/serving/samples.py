"""Golden samples: inputs that a version carries with the outputs that they must lead to.

They lie in a folder `golden` of the model's own folder, each in a file of one of two kinds:

- `*.npz`, as numpy saves them, with arrays `input:NAME` and `output:NAME`;
- `*.json`, a request as Triton takes it over HTTP (protocol KServe v2), whose `outputs` have a
  `shape`, a `datatype` and `data` as its answers do.

How far an output may be from what is expected stands in `tolerances.json` beside them, by its name:
`{"scores": {"rtol": 0.001, "atol": 0.00001}}`; or as `parameters` of the output in a request. NaN
is expected where a sample has it.
"""

from __future__ import annotations

import encodings.cp437  # noqa: F401 - names in archives are taken for such, and nothing can be opened then
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.lib.format

from registry.domain.readiness import Signature
from registry.names.text import show
from registry.serving.comparing import EXACT, TOLERANCES_BY_DTYPE, Tolerance
from registry.serving.tensor_types import FLOATS, NUMPY, ONNX_BY_TRITON, Array, from_float

FOLDER = "golden"
TOLERANCES = "tolerances.json"
SAMPLES_MAX = 50
#: Of one file, unpacked.
BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Sample:
    #: Of its file, in the version.
    path: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    #: Of outputs that have one of their own.
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)

    def tolerance(self, output: str, dtype: str) -> Tolerance:
        return self.tolerances.get(output) or TOLERANCES_BY_DTYPE.get(dtype, EXACT)


class SampleError(Exception):
    """A file that is no sample, or none of this model; the text says why."""


def sample_paths(folder: str, sizes: Mapping[str, int]) -> list[str]:
    """Those of a model whose own folder this is."""
    start = f"{folder}/{FOLDER}/" if folder else f"{FOLDER}/"
    return sorted(
        path
        for path in sizes
        if path.startswith(start)
        and path.endswith((".npz", ".json"))
        and path != f"{start}{TOLERANCES}"
    )


def read_sample(top: Path, path: str, signature: Signature) -> Sample:
    """SampleError for what cannot be used with the signature."""
    try:
        shared = _tolerances(top, path)
        sample = _read_npz(top, path) if path.endswith(".npz") else _read_json(top, path)
    except Exception as error:
        # Of zips, arrays and JSON there are a dozen kinds; each says that it is no sample.
        raise SampleError(f"it cannot be read: {str(error) or type(error).__name__}") from error
    dtypes = {each.name: each.dtype for each in (*signature.inputs, *signature.outputs)}
    inputs = {each.name for each in signature.inputs}
    outputs = {each.name for each in signature.outputs}
    needed = {each.name for each in signature.inputs if not each.is_optional}
    _expect(not needed - sample.inputs.keys(), "it has no", "input", needed - sample.inputs.keys())
    for kind, known, given in (
        ("input", inputs, sample.inputs),
        ("output", outputs, sample.outputs),
    ):
        _expect(not given.keys() - known, "the model has no", kind, given.keys() - known)
        for name, array in given.items():
            _check_dtype(kind, name, array, dtypes[name])
    if not sample.outputs:
        raise SampleError("it has no outputs, expected at least one")
    return Sample(
        path=path,
        inputs={name: _typed(array, dtypes[name]) for name, array in sample.inputs.items()},
        outputs={name: _typed(array, dtypes[name]) for name, array in sample.outputs.items()},
        tolerances={**shared, **sample.tolerances},
    )


def _expect(holds: bool, what: str, kind: str, names: set[str]) -> None:
    if not holds:
        raise SampleError(f"{what} {kind} {', '.join(map(show, sorted(names)[:5]))}")


def _check_dtype(kind: str, name: str, array: Array, dtype: str) -> None:
    found, expected = array.dtype, NUMPY.get(dtype)
    is_text = dtype == "STRING" and found.kind in "US"
    if found != expected and not is_text:
        raise SampleError(
            f"{kind} {show(name)} is of {found}, expected {expected or dtype or 'no such type'}"
        )


def _typed(array: Array, dtype: str) -> Array:
    if dtype != "STRING" or array.dtype.kind == "O":
        return array
    texts = [each.decode() if isinstance(each, bytes) else each for each in array.ravel().tolist()]
    return np.array(texts, dtype=object).reshape(array.shape)


def _read_npz(top: Path, path: str) -> Sample:
    arrays: dict[str, dict[str, Array]] = {"input": {}, "output": {}}
    with zipfile.ZipFile(top / path) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > BYTES_MAX:
            raise ValueError(f"it unpacks to more than {BYTES_MAX:,} bytes")
        for member in members:
            kind, colon, name = member.filename.removesuffix(".npy").partition(":")
            if not colon or kind not in arrays:
                raise ValueError(
                    f"found {show(member.filename)}, expected input:NAME.npy or output:NAME.npy"
                )
            with archive.open(member) as file:
                # Texts come in numpy's own types: objects would be a pickle, which is not read.
                arrays[kind][name] = numpy.lib.format.read_array(file, allow_pickle=False)
    return Sample(path=path, inputs=arrays["input"], outputs=arrays["output"])


def _read_json(top: Path, path: str) -> Sample:
    said = _json(top / path)
    outputs = said["outputs"]
    return Sample(
        path=path,
        inputs={_name(each): _array(each) for each in said["inputs"]},
        outputs={_name(each): _array(each) for each in outputs},
        tolerances={
            _name(each): _tolerance(_name(each), each["parameters"])
            for each in outputs
            if each.get("parameters")
        },
    )


def _name(said: Mapping[str, Any]) -> str:
    name = said["name"]
    if not isinstance(name, str):
        raise TypeError(f"found {name!r:.40}, expected a name")
    return name


def _array(said: Mapping[str, Any]) -> Array:
    """Data row by row, in one list or in lists of lists."""
    name, datatype, shape = _name(said), said["datatype"], said["shape"]
    dtype = ONNX_BY_TRITON.get(datatype)
    if dtype is None:
        raise ValueError(f"{show(name)} is of {datatype!r:.40}, which Triton has not")
    flat = list(_flat(said["data"]))
    if len(flat) != math.prod(shape):
        raise ValueError(f"{show(name)} has {len(flat)} elements, expected {math.prod(shape)}")
    if dtype in FLOATS:
        return from_float(np.array(flat, np.float64), dtype).reshape(shape)
    return np.array(flat, dtype=NUMPY[dtype]).reshape(shape)


def _flat(data: Any) -> Iterator[Any]:
    """Without recursion, which nesting could exhaust."""
    pending = [iter(data)]
    while pending:
        for each in pending[-1]:
            if isinstance(each, list):
                pending.append(iter(each))
                break
            yield each
        else:
            pending.pop()


def _tolerances(top: Path, path: str) -> Mapping[str, Tolerance]:
    file = (top / path).with_name(TOLERANCES)
    if not file.is_file():
        return {}
    try:
        return {name: _tolerance(name, said) for name, said in _json(file).items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{TOLERANCES}: {error}") from error


def _tolerance(name: str, said: Mapping[str, Any]) -> Tolerance:
    if not isinstance(said, dict) or not said.keys() <= {"rtol", "atol"}:
        raise ValueError(f"found {said!r:.60} for {show(name)}, expected rtol and atol")
    found = Tolerance(float(said.get("rtol", 0.0)), float(said.get("atol", 0.0)))
    if not all(math.isfinite(each) and each >= 0 for each in (found.rtol, found.atol)):
        raise ValueError(f"found {found} for {show(name)}, expected numbers from 0 on")
    return found


def _json(file: Path) -> Any:
    if file.stat().st_size > BYTES_MAX:
        raise ValueError(f"it has more than {BYTES_MAX:,} bytes")
    try:
        return json.loads(file.read_bytes())
    except RecursionError as error:
        raise ValueError("its lists are too deep") from error
