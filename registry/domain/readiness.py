"""Readiness: whether a model will load and answer on a release of NVIDIA Triton, and what keeps it.

A report belongs to the files of a version and to one release. It is made of points: one says what
was found, what was expected, and how to mend it. Nothing else makes a model unready.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Readiness(StrEnum):
    READY = "ready"
    NOT_READY = "not_ready"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class TritonRelease:
    #: Such as 25.10.
    name: str
    #: Version of the server, such as 2.62.0.
    server: str
    #: Version of ONNX Runtime in it.
    onnxruntime: str
    #: Version of TensorRT in it; empty where it is not known.
    tensorrt: str = ""


class Weight(StrEnum):
    """What a point makes of the report."""

    #: The release refuses the model, or answers wrongly.
    BLOCKS = "blocks"
    #: Nobody can tell without what is missing here, such as a GPU.
    DOUBTS = "doubts"
    #: Worth a look; it changes nothing.
    REMARK = "remark"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One line of a report."""

    #: Such as `GRAPH-2`: see `registry/serving/README.md`.
    rule: str
    weight: Weight
    #: What it is about: `input 'tokens'`, `node 'conv1' (Conv)`, `max_batch_size`.
    subject: str
    found: str
    #: Empty for a remark that expects nothing.
    expected: str = ""
    #: How to mend it, as an order.
    fix: str = ""
    #: The file it is in, by its path in the version.
    path: str = ""
    #: From 1; 0 where the file has no lines or none is known.
    line: int = 0
    column: int = 0

    @property
    def message(self) -> str:
        wanted = f", expected {self.expected}" if self.expected else ""
        return f"{self.subject}: {self.found}{wanted}"


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """An input or output of a model."""

    name: str
    #: ONNX's name of the type of its elements, such as FLOAT; empty where it has none of one kind.
    dtype: str
    #: A number, a name of an axis of any length, or none for one without a name. None as a whole
    #: where the rank is not known.
    dims: tuple[int | str | None, ...] | None
    #: `tensor`, `sequence`, `map`, `optional` or `sparse_tensor`. Triton serves tensors alone.
    kind: str = "tensor"
    #: An input that may be left out: it has a value in the model, or is an optional.
    is_optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Signature:
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a model on inputs that were made for it, or that it brought along."""

    #: `made, axes 1` or the sample's path.
    name: str
    #: The axis lengths that were chosen, by name or by `input:axis`.
    axes: Mapping[str, int] = field(default_factory=dict)
    provider: str
    duration_ms: float
    #: Shape of each output, by name.
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    #: Of what a sample expects: the greatest difference of each output, by name.
    differences: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelReport:
    """One model of a version: most have one, repositories with ensembles several."""

    #: As Triton would know it.
    name: str
    #: Its folder in the version; empty for the version's root.
    folder: str
    #: Triton's name of the backend; empty where none serves such files.
    backend: str
    #: The config.pbtxt that Triton is given: the version's own, or one that was generated.
    config: str = ""
    is_config_generated: bool = False
    #: What Triton is given in the model's own folder, config.pbtxt included where the version has
    #: it: paths there, and those in the version. `{version}/` is the folder of its number.
    files: tuple[tuple[str, str], ...] = ()
    #: From what would be generated to the version's own, as a unified diff; empty where they mean
    #: the same.
    config_diff: str = ""
    signature: Signature | None = None
    #: Of the dry run; empty where there was none.
    runs: tuple[Run, ...] = ()
    #: Of the process that ran it, at its highest; 0 where there was no dry run.
    peak_bytes: int = 0
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """Of all models of a version, for one release."""

    #: Such as 25.10.
    release: str
    #: Of that release.
    onnxruntime: str
    models: tuple[ModelReport, ...]
    #: Of the version as a whole, such as of its layout.
    points: tuple[Point, ...] = ()

    @property
    def readiness(self) -> Readiness:
        return readiness_of(self.all_points())

    def all_points(self) -> tuple[Point, ...]:
        """The worst first; those of one weight as they were found."""
        found = [*self.points, *(point for model in self.models for point in model.points)]
        return tuple(sorted(found, key=lambda point: list(Weight).index(point.weight)))


def readiness_of(points: Iterable[Point]) -> Readiness:
    weights = {point.weight for point in points}
    if Weight.BLOCKS in weights:
        return Readiness.NOT_READY
    return Readiness.UNKNOWN if Weight.DOUBTS in weights else Readiness.READY


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Of requests that were sent one after the other, with so many examples in each."""

    batch: int
    requests: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What one server made of one model that it was asked to load, run and unload.

    A point that blocks is a fault of the model. One that doubts is a fault of the server, or of the
    way there: then the model is neither ready nor not.
    """

    #: As in the report.
    model: str
    #: HOST:PORT.
    address: str
    #: The release that was asked about, such as 25.10.
    release: str
    #: By its own word, such as 2.62.0; empty where it gave none.
    server_version: str = ""
    #: The throw-away name that the server knew it by; empty where it was not asked to load it.
    name: str = ""
    #: Until it was ready, what an ensemble needs included; 0 where it never was.
    load_s: float = 0.0
    #: By the server, with how far its outputs are from those of the dry run.
    runs: tuple[Run, ...] = ()
    #: The smallest batch first.
    latencies: tuple[Latency, ...] = ()
    points: tuple[Point, ...] = ()

    @property
    def readiness(self) -> Readiness:
        return readiness_of(self.points)


class Subject(NamedTuple):
    """What a report belongs to: files of a model, whose production they are compared with. Never
    of another model, whoever pushed the same there."""

    #: Of the manifest.
    digest: str
    #: Resource name: `models/fraud/scorer`.
    model: str

    @property
    def model_id(self) -> str:
        """The name under which Triton would serve them."""
        return self.model.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What is known of a subject and a release, and what is wanted."""

    subject: Subject
    release: str
    #: Rules, tables and tools by which a report is wanted.
    wanted: str
    #: Those of the report that is there; empty without one.
    tools_digest: str = ""
    #: None without a report, and where it was not asked for.
    report: Report | None = None
    readiness: Readiness | None = None
    #: When the report was made.
    time_us: int = 0
    #: How often somebody has begun with what is wanted.
    attempts: int = 0
    #: Whoever is at it has it until then.
    lease_until_us: int = 0
    #: What is in the way, as long as something is.
    problem: str = ""

    @property
    def is_pending(self) -> bool:
        return self.wanted != self.tools_digest


def report_to_document(report: Report) -> dict[str, Any]:
    """As JSON. Law: `report_from_document(report_to_document(r)) == r`, also after JSON's own
    way."""
    return asdict(report)


def report_from_document(document: Mapping[str, Any]) -> Report:
    """What `report_to_document` wrote. KeyError, TypeError or ValueError for another form."""
    return Report(
        **{
            **document,
            "models": tuple(map(_model, document["models"])),
            "points": tuple(map(_point, document["points"])),
        }
    )


def probe_to_document(result: ProbeResult) -> dict[str, Any]:
    """As JSON. Law: as of `report_to_document`, with `probe_from_document`."""
    return asdict(result)


def probe_from_document(document: Mapping[str, Any]) -> ProbeResult:
    """What `probe_to_document` wrote. KeyError, TypeError or ValueError for another form."""
    return ProbeResult(
        **{
            **document,
            "runs": tuple(map(_run, document["runs"])),
            "latencies": tuple(Latency(**each) for each in document["latencies"]),
            "points": tuple(map(_point, document["points"])),
        }
    )


def _model(said: Mapping[str, Any]) -> ModelReport:
    signature = said["signature"]
    return ModelReport(
        **{
            **said,
            "files": tuple((place, path) for place, path in said["files"]),
            "signature": None if signature is None else signature_from(signature),
            "runs": tuple(map(_run, said["runs"])),
            "points": tuple(map(_point, said["points"])),
        }
    )


def signature_from(said: Mapping[str, Any]) -> Signature:
    """What `asdict` made of one."""
    inputs, outputs = (tuple(map(_tensor, said[each])) for each in ("inputs", "outputs"))
    return Signature(inputs=inputs, outputs=outputs)


def _tensor(said: Mapping[str, Any]) -> TensorInfo:
    dims = said["dims"]
    return TensorInfo(**{**said, "dims": None if dims is None else tuple(dims)})


def _run(said: Mapping[str, Any]) -> Run:
    shapes = {name: tuple(shape) for name, shape in said["shapes"].items()}
    return Run(**{**said, "shapes": shapes})


def _point(said: Mapping[str, Any]) -> Point:
    return Point(**{**said, "weight": Weight(said["weight"])})
