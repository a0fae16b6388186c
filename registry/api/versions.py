"""VersionService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import (
    VERSION_STATES,
    EnumCodec,
    Packed,
    file_from_proto,
    file_to_proto,
    fill_pairs,
    fill_time,
    page_request,
    pairs_of,
    timestamp,
)
from registry.domain.manifests import FileChange
from registry.domain.version_diffs import ValueChange, VersionDiff
from registry.domain.versions import (
    Base,
    Card,
    CodeRevision,
    Dataset,
    Evaluation,
    LineageKind,
    Verdict,
    Version,
    VersionSpec,
    VersionState,
    Vetting,
)
from registry.errors import InvalidFieldError
from registry.names import CommitName, ModelName, UploadName, VersionName
from registry.services.evaluations import EvaluationService
from registry.services.sources import Source
from registry.services.version_diffs import VersionDiffService
from registry.services.versions import VersionService
from registry.services.yanks import YankService
from registry.v1 import versions_pb2 as pb

VERDICTS = EnumCodec(pb.Verdict, "VERDICT", Verdict)
LINEAGE_KINDS = EnumCodec(pb.LineageKind, "LINEAGE_KIND", LineageKind)


class VersionServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["VersionService"]

    def __init__(
        self,
        versions: VersionService,
        diffs: VersionDiffService,
        evaluations: EvaluationService,
        yanks: YankService,
    ) -> None:
        self._versions = versions
        self._diffs = diffs
        self._evaluations = evaluations
        self._yanks = yanks
        self._got = Packed(to_proto)

    def create_version(self, call: Call, request: pb.CreateVersionRequest) -> pb.Version:
        return to_proto(
            self._versions.create(
                call.caller,
                ModelName.parse(request.parent, field="parent"),
                source=_source(request),
                spec=spec_from_proto(request.spec),
                message=request.message,
                request_id=request.request_id,
            )
        )

    def cut_version(self, call: Call, request: pb.CutVersionRequest) -> pb.Version:
        return to_proto(
            self._versions.cut(
                call.caller,
                ModelName.parse(request.parent, field="parent"),
                revision=request.revision,
                spec=spec_from_proto(request.spec),
                request_id=request.request_id,
            )
        )

    def get_version(self, call: Call, request: pb.GetVersionRequest) -> pb.Version:
        version = self._versions.get(call.caller, VersionName.parse(request.name))
        return self._got.of(version, request.name)

    def list_versions(self, call: Call, request: pb.ListVersionsRequest) -> pb.ListVersionsResponse:
        state = VERSION_STATES.optional(request.state, "state")
        page = self._versions.list(
            call.caller,
            ModelName.parse(request.parent, field="parent"),
            state=None if state is None else VersionState(state),
            digest=request.digest,
            order_by=request.order_by,
            page=page_request(request.page_size, request.page_token),
        )
        return pb.ListVersionsResponse(
            versions=[to_proto(version) for version in page.items],
            next_page_token=page.next_page_token,
        )

    def list_files(self, call: Call, request: pb.ListFilesRequest) -> pb.ListFilesResponse:
        kind = CommitName if "/commits/" in request.parent else VersionName
        page = self._versions.files(
            call.caller,
            kind.parse(request.parent, field="parent"),
            page_request(request.page_size, request.page_token),
        )
        return pb.ListFilesResponse(
            files=[file_to_proto(file) for file in page.items],
            next_page_token=page.next_page_token,
        )

    def get_manifest(self, call: Call, request: pb.GetManifestRequest) -> pb.Manifest:
        manifest = self._versions.manifest(call.caller, VersionName.parse(request.name))
        return pb.Manifest(digest=manifest.digest, canonical_json=manifest.canonical_json)

    def diff_versions(self, call: Call, request: pb.DiffVersionsRequest) -> pb.VersionDiff:
        return diff_to_proto(
            self._diffs.diff(
                call.caller,
                VersionName.parse(request.base, field="base"),
                VersionName.parse(request.other, field="other"),
            )
        )

    def add_evaluation(self, call: Call, request: pb.AddEvaluationRequest) -> pb.Evaluation:
        said = request.evaluation
        return evaluation_to_proto(
            self._evaluations.add(
                call.caller,
                VersionName.parse(request.parent, field="parent"),
                evaluation=said.evaluation,
                metrics=said.metrics.items(),
                dataset=_dataset(said.dataset),
                tool=said.tool,
                request_id=request.request_id,
            )
        )

    def list_evaluations(
        self, call: Call, request: pb.ListEvaluationsRequest
    ) -> pb.ListEvaluationsResponse:
        page = self._evaluations.list(
            call.caller,
            VersionName.parse(request.parent, field="parent"),
            page_request(request.page_size, request.page_token),
        )
        return pb.ListEvaluationsResponse(
            evaluations=[evaluation_to_proto(evaluation) for evaluation in page.items],
            next_page_token=page.next_page_token,
        )

    def yank_version(self, call: Call, request: pb.YankVersionRequest) -> pb.Version:
        return to_proto(
            self._yanks.yank(
                call.caller,
                VersionName.parse(request.name),
                reason=request.reason,
                validate_only=request.validate_only,
            )
        )

    def unyank_version(self, call: Call, request: pb.UnyankVersionRequest) -> pb.Version:
        return to_proto(self._yanks.unyank(call.caller, VersionName.parse(request.name)))


# --- From messages -------------------------------------------------------------------------------


def spec_from_proto(spec: pb.VersionSpec) -> VersionSpec:
    return VersionSpec(
        description=spec.description,
        parameters=pairs_of(spec.parameters),
        metrics=pairs_of(spec.metrics),
        datasets=tuple([_dataset(dataset) for dataset in spec.datasets]),
        code=_code(spec.code) if spec.HasField("code") else _NO_CODE,
        run_url=spec.run_url,
        bases=tuple(
            [
                Base(
                    version=base.version,
                    kind=LineageKind(
                        LINEAGE_KINDS.value_of(base.kind, f"spec.bases[{number}].kind")
                    ),
                )
                for number, base in enumerate(spec.bases)
            ]
        ),
    )


def _source(request: pb.CreateVersionRequest) -> Source:
    match request.WhichOneof("source"):
        case "upload":
            return Source(upload=UploadName.parse(request.upload, field="upload"))
        case "files":
            return Source(files=tuple([file_from_proto(file) for file in request.files.files]))
        case _:
            raise InvalidFieldError(
                field="source",
                found="neither upload nor files",
                expected="one of the two",
                fix="Name an upload session, or list files whose bytes are stored already.",
            )


def _code(code: pb.CodeRevision) -> CodeRevision:
    return CodeRevision(repository=code.repository, revision=code.revision, dirty=code.dirty)


_NO_CODE = CodeRevision()


def _dataset(dataset: pb.Dataset) -> Dataset:
    return Dataset(
        name=dataset.name,
        digest=dataset.digest,
        uri=dataset.uri,
        role=dataset.role,
    )


# --- To messages ---------------------------------------------------------------------------------


def to_proto(version: Version) -> pb.Version:
    # What a message holds is filled where it lies: one that is made apart is copied, which takes
    # longer than all the rest.
    message = pb.Version(
        name=version.name,
        uid=version.uid,
        number=version.number,
        digest=version.digest,
        commit=version.commit,
        state=VERSION_STATES.to_proto(version.state),
        registrant=f"principals/{version.registrant}",
        file_count=version.file_count,
        size_bytes=version.size_bytes,
        yank_reason=version.yank_reason,
        stages=version.stages,
        references=version.references,
        contributors=[f"principals/{id}" for id in version.contributors],
        hidden_base_count=version.hidden_base_count,
    )
    fill_time(message.create_time, version.create_time_us)
    _fill_spec(message.spec, version.spec)
    _fill_card(message.card, version.card)
    if version.vetting:
        message.vetting.CopyFrom(_vetting_to_proto(version.vetting))
        if version.grace_end_us is not None:
            fill_time(message.vetting.grace_end_time, version.grace_end_us)
    return message


def _fill_spec(message: pb.VersionSpec, spec: VersionSpec) -> None:
    message.SetInParent()
    message.description = spec.description
    message.run_url = spec.run_url
    fill_pairs(message.parameters, spec.parameters)
    fill_pairs(message.metrics, spec.metrics)
    if spec.datasets:
        message.datasets.extend([_dataset_to_proto(dataset) for dataset in spec.datasets])
    if spec.code != _NO_CODE:
        message.code.repository = spec.code.repository
        message.code.revision = spec.code.revision
        message.code.dirty = spec.code.dirty
    if spec.bases:
        message.bases.extend(
            [
                pb.Base(version=base.version, kind=LINEAGE_KINDS.to_proto(base.kind))
                for base in spec.bases
            ]
        )


def _dataset_to_proto(dataset: Dataset) -> pb.Dataset:
    return pb.Dataset(
        name=dataset.name,
        digest=dataset.digest,
        uri=dataset.uri,
        role=dataset.role,
    )


def _fill_card(message: pb.Card, card: Card) -> None:
    message.SetInParent()
    message.metadata_json = card.metadata_json
    message.license = card.license
    if card.base_models:
        message.base_models.extend(card.base_models)
    if card.missing:
        message.missing.extend(card.missing)


def _vetting_to_proto(vetting: Vetting) -> pb.Vetting:
    return pb.Vetting(
        verdict=VERDICTS.to_proto(vetting.verdict),
        findings=[
            pb.Finding(
                rule=finding.rule,
                path=finding.path,
                message=finding.message,
                fix=finding.fix,
                fails=finding.fails,
                doubts=finding.doubts,
                member=finding.member,
                offset=finding.offset,
            )
            for finding in vetting.findings
        ],
        rules_digest=vetting.rules_digest,
        time=timestamp(vetting.time_us),
    )


def evaluation_to_proto(evaluation: Evaluation) -> pb.Evaluation:
    return pb.Evaluation(
        uid=evaluation.uid,
        version=evaluation.version,
        digest=evaluation.digest,
        evaluation=evaluation.evaluation,
        metrics=dict(evaluation.metrics),
        dataset=_dataset_to_proto(evaluation.dataset),
        tool=evaluation.tool,
        reporter=f"principals/{evaluation.reporter}",
        create_time=timestamp(evaluation.create_time_us),
    )


def diff_to_proto(diff: VersionDiff) -> pb.VersionDiff:
    return pb.VersionDiff(
        added=[file_to_proto(file) for file in diff.added],
        removed=[file_to_proto(file) for file in diff.removed],
        changed=[_file_change(change) for change in diff.changed],
        renamed=[_file_change(change) for change in diff.renamed],
        added_count=diff.added_count,
        removed_count=diff.removed_count,
        changed_count=diff.changed_count,
        renamed_count=diff.renamed_count,
        equal_count=diff.equal_count,
        new_bytes=diff.new_bytes,
        card=[_value_change(change) for change in diff.card],
        metrics=[_value_change(change) for change in diff.metrics],
        parameters=[_value_change(change) for change in diff.parameters],
        tensors=[_value_change(change) for change in diff.tensors],
        config=[_value_change(change) for change in diff.config],
        template=diff.template,
    )


def _file_change(change: FileChange) -> pb.VersionDiff.FileChange:
    return pb.VersionDiff.FileChange(
        base=file_to_proto(change.before), other=file_to_proto(change.after)
    )


def _value_change(change: ValueChange) -> pb.VersionDiff.ValueChange:
    return pb.VersionDiff.ValueChange(key=change.key, base=change.base, other=change.other)
