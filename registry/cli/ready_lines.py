"""How a report of readiness reads: in plain language, each line with its mend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from registry.cli import output
from registry.domain.readiness import (
    ModelReport,
    Point,
    Readiness,
    Report,
    Run,
    TensorInfo,
    Weight,
)

if TYPE_CHECKING:
    from registry.client.readiness import Readiness as Known

_MARKS = {Weight.BLOCKS: "✗", Weight.DOUBTS: "?", Weight.REMARK: "·"}
VERDICTS = {
    Readiness.READY: "ready",
    Readiness.NOT_READY: "not ready",
    Readiness.UNKNOWN: "cannot tell",
}
#: Inputs and outputs in a line.
_SHOWN_MAX = 8


def report_lines(name: str, report: Report) -> list[str]:
    """A whole report. `name` is what was asked about."""
    runtime = f" (ONNX Runtime {report.onnxruntime})" if report.onnxruntime else ""
    lines = [f"{name} for Triton {report.release}{runtime}: {VERDICTS[report.readiness]}"]
    lines += point_lines(report.points)
    for model in report.models:
        lines += _model_lines(model, is_only=len(report.models) == 1)
    return [*lines, _summary(report)]


def brief_lines(known: Sequence[Known]) -> list[str]:
    """A line for each release, and of one that is not ready the first reason with its mend."""
    lines = []
    for each in known:
        if each.report is None:
            lines.append(f"  triton {each.release}  … {each.problem or 'is being assessed'}")
            continue
        readiness = each.report.readiness
        mark = {Readiness.READY: "✓", Readiness.NOT_READY: "✗"}.get(readiness, "?")
        reasons = [] if readiness is Readiness.READY else each.report.all_points()[:1]
        lines.append(f"  triton {each.release}  {mark} {VERDICTS[readiness]}")
        for point in reasons:
            lines.append(f"      {_place(point)}{point.message}")
            lines += [f"      {point.fix}"] if point.fix else []
    return lines


def _model_lines(model: ModelReport, *, is_only: bool) -> Iterator[str]:
    place = f" in {model.folder}/" if model.folder else ""
    backend = model.backend or "no backend of Triton serves it"
    if not is_only or model.folder:
        yield f"  {model.name}{place}, {backend}"
    yield from point_lines(model.points)
    rows = []
    if model.signature is not None:
        rows.append(("inputs", _tensors(model.signature.inputs)))
        rows.append(("outputs", _tensors(model.signature.outputs)))
    if model.runs:
        rows.append(("dry run", "\n".join(map(run_line, model.runs))))
        rows.append(("memory", f"at most {output.size(model.peak_bytes)}"))
    if model.config:
        made = "generated; see it with --config" if model.is_config_generated else "its own"
        differs = ", differs from what would be generated: --diff" if model.config_diff else ""
        rows.append(("config", f"{made}{differs}"))
    yield from output.details(rows)


def point_lines(points: Iterable[Point]) -> Iterator[str]:
    for point in sorted(points, key=lambda each: list(Weight).index(each.weight)):
        place = _place(point)
        yield f"  {_MARKS[point.weight]} {point.rule}  {place}{point.message}"
        if point.fix:
            yield f"      {point.fix}"


def _place(point: Point) -> str:
    if not point.path:
        return ""
    line = f":{point.line}" if point.line else ""
    column = f":{point.column}" if point.line and point.column else ""
    return f"{point.path}{line}{column}: "


def _tensors(tensors: tuple[TensorInfo, ...]) -> str:
    shown = [_tensor(each) for each in tensors[:_SHOWN_MAX]]
    if len(tensors) > _SHOWN_MAX:
        shown.append(f"and {len(tensors) - _SHOWN_MAX} more")
    return "\n".join(shown)


def _tensor(tensor: TensorInfo) -> str:
    if tensor.dims is None:
        shape = ""
    else:
        dims = ("?" if dim is None else str(dim) for dim in tensor.dims)
        shape = f" [{', '.join(dims)}]"
    kind = "" if tensor.kind == "tensor" else f" {tensor.kind} of"
    optional = ", may be left out" if tensor.is_optional else ""
    return f"{tensor.name}{kind} {tensor.dtype}{shape}{optional}"


def run_line(run: Run) -> str:
    axes = ", ".join(f"{name}={length}" for name, length in run.axes.items())
    worst = max(run.differences.values(), default=None)
    parts = [
        run.name,
        axes,
        f"{run.duration_ms:.1f} ms",
        "" if worst is None else f"differs by at most {worst:.2g}",
    ]
    return "  ".join(part for part in parts if part)


def _summary(report: Report) -> str:
    points = report.all_points()
    counts = (
        (sum(point.weight is weight for point in points), noun)
        for weight, noun in (
            (Weight.BLOCKS, "problem"),
            (Weight.DOUBTS, "doubt"),
            (Weight.REMARK, "remark"),
        )
    )
    said = ", ".join(output.counted(count, noun) for count, noun in counts if count)
    return f"{VERDICTS[report.readiness]}: {said or 'nothing found'}"
