"""Layouts: where a pull puts a version's files, for those who load them.

- `triton`: a model repository of NVIDIA Triton, one folder a model, as the report of readiness for
  the release says.
- `hf`: a cache of the Hugging Face Hub's client (huggingface_hub, "Understand caching"), which
  loads the model by its name with HF_HUB_CACHE and HF_HUB_OFFLINE.
- `mlflow`: an MLflow model (mlflow.org, "MLflow Model format"): its own, or one that is made of its
  ONNX file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from registry.client.errors import FailedPreconditionError, checked_locally
from registry.client.values import File, Version
from registry.domain.readiness import ModelReport, Report, TensorInfo
from registry.names import check_paths, safe_path

LAYOUTS = ("triton", "hf", "mlflow")
CONFIG = "config.pbtxt"
_ENSEMBLE = "ensemble"
_VERSION = "{version}"
_MLMODEL = "MLmodel"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A folder that appears in one step."""

    #: Below the folder that is pulled into; empty: that one itself.
    folder: str = ""
    #: By path in the part, the version's file.
    files: Mapping[str, File]
    #: By path in the part, what the layout adds.
    texts: Mapping[str, str] = field(default_factory=dict)


def plain(files: Sequence[File]) -> list[Part]:
    """The version as it is."""
    return [Part(files={file.path: file for file in files})]


def triton(version: Version, files: Sequence[File], report: Report) -> list[Part]:
    """A folder for each model; those that others call come before these."""
    if not report.models:
        raise _unfit(version, "triton", "no model that a backend of Triton loads")
    known = {file.path: file for file in files}
    with checked_locally():
        return [_model_part(version, model, known) for model in _callers_last(report.models)]


def _model_part(version: Version, model: ModelReport, known: Mapping[str, File]) -> Part:
    lacking = [path for _, path in model.files if path not in known]
    if lacking:
        raise _unfit(version, "triton", f"a report that names {lacking[0]}, and no such file")
    placed = {
        place.replace(_VERSION, str(version.number)): known[path] for place, path in model.files
    }
    texts = {} if CONFIG in placed else {CONFIG: model.config}
    if model.backend == _ENSEMBLE and not any("/" in place for place in placed):
        # Triton wants a folder for its version, and a version of ours has no empty ones.
        texts[f"{version.number}/.keep"] = ""
    # A server's word is no way out of the folder.
    check_paths([safe_path(place) for place in (*placed, *texts)])
    return Part(folder=safe_path(model.name), files=placed, texts=texts)


def _callers_last(models: Sequence[ModelReport]) -> list[ModelReport]:
    """A server that polls its repository never sees an ensemble before its steps."""
    return sorted(models, key=lambda model: model.backend == _ENSEMBLE)


def hf(version: Version, files: Sequence[File]) -> list[Part]:
    """What the Hub's client would have cached of the version's commit."""
    snapshot = f"snapshots/{version.commit}"
    folder = "models--" + version.model.removeprefix("models/").replace("/", "--")
    return [
        Part(
            folder=folder,
            files={f"{snapshot}/{file.path}": file for file in files},
            texts={"refs/main": version.commit},
        )
    ]


def mlflow(version: Version, files: Sequence[File], report: Report | None) -> list[Part]:
    """The folder that has an MLmodel, else one that is made for the version's ONNX model."""
    home = mlflow_home(files)
    if home is not None:
        placed = {
            file.path.removeprefix(home): file for file in files if file.path.startswith(home)
        }
        return [Part(files=placed)]
    model = report.models[0] if report is not None and len(report.models) == 1 else None
    if model is None or model.backend != "onnxruntime" or model.signature is None:
        raise _unfit(version, "mlflow", "neither an MLmodel nor one ONNX model that is understood")
    placed = {f"data/{path}": file for path, file in _of_model(model, files).items()}
    (main,) = (path for path in placed if path.endswith(".onnx"))
    return [Part(files=placed, texts={_MLMODEL: _mlmodel(version, model, main)})]


def mlflow_home(files: Sequence[File]) -> str | None:
    """The folder of the outermost MLmodel, with the slash behind it; None where there is none."""
    homes = [
        file.path.removesuffix(_MLMODEL)
        for file in files
        if file.path.rpartition("/")[2] == _MLMODEL
    ]
    return min(homes, key=len) if homes else None


def _of_model(model: ModelReport, files: Sequence[File]) -> dict[str, File]:
    """A model's own files by their paths in its version folder."""
    known = {file.path: file for file in files}
    return {
        place.partition("/")[2]: known[path]
        for place, path in model.files
        if "/" in place and place != CONFIG
    }


def _mlmodel(version: Version, model: ModelReport, main: str) -> str:
    """MLflow reads it as YAML, of which JSON is a part."""
    signature = model.signature
    assert signature is not None
    document = {
        "flavors": {
            "onnx": {"data": main, "providers": ["CPUExecutionProvider"]},
            "python_function": {"data": main, "loader_module": "mlflow.onnx"},
        },
        "signature": {
            "inputs": json.dumps([_column(each) for each in signature.inputs]),
            "outputs": json.dumps([_column(each) for each in signature.outputs]),
        },
        "metadata": {"hallmark_version": version.name, "hallmark_digest": version.digest},
    }
    return json.dumps(document, indent=2) + "\n"


#: MLflow's tensor signatures name numpy's types.
_NUMPY = {
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "FLOAT16": "float16",
    "BOOL": "bool",
    "STRING": "str",
    **{f"{sign}INT{bits}": f"{sign.lower()}int{bits}" for sign in "U" for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
}


def _column(tensor: TensorInfo) -> Mapping[str, object]:
    dims = tensor.dims or ()
    shape = [dim if isinstance(dim, int) else -1 for dim in dims]
    return {
        "name": tensor.name,
        "type": "tensor",
        "tensor-spec": {"dtype": _NUMPY.get(tensor.dtype, "object"), "shape": shape},
    }


def _unfit(version: Version, layout: str, found: str) -> FailedPreconditionError:
    return FailedPreconditionError(
        f"{version.ref} cannot be laid out as {layout}: it has {found}. Nothing was fetched. "
        "Pull it as it is, without --layout.",
        status="FAILED_PRECONDITION",
        reason="LAYOUT_UNFIT",
        metadata={"version": version.name, "layout": layout, "found": found},
    )
