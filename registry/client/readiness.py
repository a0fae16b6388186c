"""Readiness: whether versions will load and answer on a release of Triton."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from registry.client.decode import decode, word_of
from registry.client.errors import checked_locally
from registry.client.service import Service
from registry.domain.readiness import (
    ModelReport,
    Point,
    Report,
    Run,
    Signature,
    TensorInfo,
    TritonRelease,
    Weight,
)
from registry.names import ReadinessName, VersionName
from registry.v1 import readiness_pb2 as pb
from registry.v1.readiness_pb2_grpc import ReadinessServiceStub

POLL_S = 0.25


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What is known of a version and a release; see `Readiness` of `readiness.proto`."""

    name: str
    release: str
    #: `ready`, `not_ready` or `unknown`; empty without a report.
    verdict: str
    pending: bool
    #: None without one, and in lists.
    report: Report | None
    time: datetime | None
    tools_digest: str
    problem: str


class ReadinessReports(Service):
    """Versions go by resource name here."""

    STUB: ClassVar = ReadinessServiceStub

    def get(self, version: str, release: str) -> Readiness:
        """What is known of a version and a release."""
        request = pb.GetReadinessRequest(name=_name(version, release))
        return readiness_of(self._call(self._stub.GetReadiness, request, repeats=True))

    def list(self, version: str) -> Sequence[Readiness]:
        """Of all releases that were asked about, the newest first, without reports."""
        reply = self._call(
            self._stub.ListReadiness, pb.ListReadinessRequest(parent=version), repeats=True
        )
        return [readiness_of(each) for each in reply.readiness]

    def assess(self, version: str, release: str) -> Readiness:
        """Have it assessed, unless that was done or is under way."""
        request = pb.AssessReadinessRequest(name=_name(version, release))
        return readiness_of(self._call(self._stub.AssessReadiness, request, repeats=True))

    def releases(self) -> Sequence[TritonRelease]:
        """Those that the registry knows, the newest first."""
        reply = self._call(
            self._stub.ListTritonReleases, pb.ListTritonReleasesRequest(), repeats=True
        )
        return [decode(TritonRelease, each) for each in reply.releases]


def await_report(
    reports: ReadinessReports,
    version: str,
    release: str,
    *,
    on_problem: Callable[[str], None] = lambda problem: None,
) -> Report:
    """The report of a version, once it is there. `on_problem` is told what is in the way."""
    known, said = reports.assess(version, release), ""
    while known.pending or known.report is None:
        time.sleep(POLL_S)
        known = reports.get(version, release)
        if known.problem != said:
            said = known.problem
            on_problem(said)
    return known.report


def _name(version: str, release: str) -> str:
    with checked_locally():
        parsed = VersionName.parse(version, field="version")
        return str(ReadinessName(version=parsed, release=release, field="release"))


def readiness_of(message: pb.Readiness) -> Readiness:
    has_report = message.HasField("report")
    return Readiness(
        name=message.name,
        release=message.release,
        verdict=word_of(pb.ReadinessVerdict.DESCRIPTOR, message.verdict),
        pending=message.pending,
        report=report_of(message.release, message.report) if has_report else None,
        time=_time(message),
        tools_digest=message.tools_digest,
        problem=message.problem,
    )


def _time(message: pb.Readiness) -> datetime | None:
    return message.time.ToDatetime(tzinfo=UTC) if message.HasField("time") else None


def report_of(release: str, message: pb.ReadinessReport) -> Report:
    return Report(
        release=release,
        onnxruntime=message.onnxruntime,
        models=tuple(map(_model, message.models)),
        points=_points(message.points),
    )


def _points(messages: Iterable[pb.ReadinessPoint]) -> tuple[Point, ...]:
    return tuple(
        Point(
            rule=each.rule,
            # One of a newer release may weigh anything.
            weight=_WEIGHTS.get(each.weight, Weight.DOUBTS),
            subject=each.subject,
            found=each.found,
            expected=each.expected,
            fix=each.fix,
            path=each.path,
            line=each.line,
            column=each.column,
        )
        for each in messages
    )


_WEIGHTS: dict[Any, Weight] = {
    pb.READINESS_WEIGHT_BLOCKS: Weight.BLOCKS,
    pb.READINESS_WEIGHT_DOUBTS: Weight.DOUBTS,
    pb.READINESS_WEIGHT_REMARK: Weight.REMARK,
}


def _model(message: pb.ReadinessModel) -> ModelReport:
    signature = Signature(
        inputs=tuple(map(_tensor, message.inputs)), outputs=tuple(map(_tensor, message.outputs))
    )
    return ModelReport(
        name=message.name,
        folder=message.folder,
        backend=message.backend,
        config=message.config,
        is_config_generated=message.config_generated,
        config_diff=message.config_diff,
        files=tuple((each.place, each.path) for each in message.files),
        signature=signature if message.has_signature else None,
        runs=tuple(map(_run, message.runs)),
        peak_bytes=message.peak_bytes,
        points=_points(message.points),
    )


def _tensor(message: pb.ReadinessTensor) -> TensorInfo:
    return TensorInfo(
        name=message.name,
        dtype=message.dtype,
        dims=tuple(map(_dim, message.dims)) if message.has_rank else None,
        kind=message.kind,
        is_optional=message.optional,
    )


def _dim(message: pb.ReadinessDim) -> int | str | None:
    kind = message.WhichOneof("kind")
    return None if kind is None else getattr(message, kind)


def _run(message: pb.ReadinessRun) -> Run:
    return Run(
        name=message.name,
        axes=dict(sorted(message.axes.items())),
        provider=message.provider,
        duration_ms=message.duration_ms,
        shapes={each.name: tuple(each.shape) for each in message.outputs},
        differences={
            each.name: each.difference for each in message.outputs if each.HasField("difference")
        },
    )
