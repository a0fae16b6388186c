"""ReadinessService over gRPC: unpack, call, pack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import EnumCodec, fill_time
from registry.domain.readiness import (
    ModelReport,
    Point,
    Readiness,
    Report,
    Run,
    TensorInfo,
    Weight,
)
from registry.names import ReadinessName, VersionName
from registry.services.readiness import ReadinessService, VersionReadiness
from registry.v1 import readiness_pb2 as pb

VERDICTS = EnumCodec(pb.ReadinessVerdict, "READINESS_VERDICT", Readiness)
WEIGHTS = EnumCodec(pb.ReadinessWeight, "READINESS_WEIGHT", Weight)


class ReadinessServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["ReadinessService"]

    def __init__(self, service: ReadinessService) -> None:
        self._service = service

    def get_readiness(self, call: Call, request: pb.GetReadinessRequest) -> pb.Readiness:
        return _readiness(self._service.get(call.caller, ReadinessName.parse(request.name)))

    def list_readiness(
        self, call: Call, request: pb.ListReadinessRequest
    ) -> pb.ListReadinessResponse:
        found = self._service.list(call.caller, VersionName.parse(request.parent, field="parent"))
        return pb.ListReadinessResponse(readiness=map(_readiness, found))

    def assess_readiness(self, call: Call, request: pb.AssessReadinessRequest) -> pb.Readiness:
        return _readiness(self._service.assess(call.caller, ReadinessName.parse(request.name)))

    def list_triton_releases(
        self, call: Call, request: pb.ListTritonReleasesRequest
    ) -> pb.ListTritonReleasesResponse:
        return pb.ListTritonReleasesResponse(
            releases=[
                pb.TritonRelease(
                    name=each.name,
                    server=each.server,
                    onnxruntime=each.onnxruntime,
                    tensorrt=each.tensorrt,
                )
                for each in self._service.releases
            ]
        )


def _readiness(found: VersionReadiness) -> pb.Readiness:
    known = found.assessment
    made = pb.Readiness(
        name=str(found.name),
        release=known.release,
        pending=known.is_pending,
        tools_digest=known.tools_digest,
        problem=known.problem,
    )
    if known.readiness is not None:
        made.verdict = VERDICTS.to_proto(known.readiness)
        fill_time(made.time, known.time_us)
    if known.report is not None:
        made.report.CopyFrom(report_to_proto(known.report))
    return made


def report_to_proto(report: Report) -> pb.ReadinessReport:
    return pb.ReadinessReport(
        onnxruntime=report.onnxruntime,
        models=map(_model, report.models),
        points=_points(report.points),
    )


def _points(points: Iterable[Point]) -> Iterator[pb.ReadinessPoint]:
    for point in points:
        yield pb.ReadinessPoint(
            rule=point.rule,
            weight=WEIGHTS.to_proto(point.weight),
            subject=point.subject,
            found=point.found,
            expected=point.expected,
            fix=point.fix,
            path=point.path,
            line=point.line,
            column=point.column,
        )


def _model(model: ModelReport) -> pb.ReadinessModel:
    signature = model.signature
    return pb.ReadinessModel(
        name=model.name,
        folder=model.folder,
        backend=model.backend,
        config=model.config,
        config_generated=model.is_config_generated,
        config_diff=model.config_diff,
        inputs=map(_tensor, signature.inputs if signature else ()),
        outputs=map(_tensor, signature.outputs if signature else ()),
        runs=map(_run, model.runs),
        peak_bytes=model.peak_bytes,
        points=_points(model.points),
        has_signature=signature is not None,
        files=[pb.ReadinessFile(place=place, path=path) for place, path in model.files],
    )


def _tensor(tensor: TensorInfo) -> pb.ReadinessTensor:
    return pb.ReadinessTensor(
        name=tensor.name,
        dtype=tensor.dtype,
        dims=map(_dim, tensor.dims or ()),
        has_rank=tensor.dims is not None,
        kind=tensor.kind,
        optional=tensor.is_optional,
    )


def _dim(dim: int | str | None) -> pb.ReadinessDim:
    if isinstance(dim, int):
        return pb.ReadinessDim(length=dim)
    return pb.ReadinessDim() if dim is None else pb.ReadinessDim(axis=dim)


def _run(run: Run) -> pb.ReadinessRun:
    return pb.ReadinessRun(
        name=run.name,
        provider=run.provider,
        axes=run.axes,
        duration_ms=run.duration_ms,
        outputs=[
            pb.ReadinessOutput(name=name, shape=shape, difference=run.differences.get(name))
            for name, shape in run.shapes.items()
        ],
    )
