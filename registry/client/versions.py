"""Versions: numbered, immutable snapshots. Wherever one is asked for, any reference will do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from registry.client.connection import new_request_id
from registry.client.decode import decode, number_of
from registry.client.names import model_name, numbered, split_reference
from registry.client.service import Service
from registry.client.values import (
    Dataset,
    Evaluation,
    File,
    Manifest,
    Version,
    VersionDiff,
    VersionSpec,
)
from registry.v1 import references_pb2
from registry.v1 import versions_pb2 as pb
from registry.v1.references_pb2_grpc import ReferenceServiceStub
from registry.v1.versions_pb2_grpc import VersionServiceStub

#: Cutting up to 100,000 files into a version takes a while.
CREATE_DEADLINE_S = 300.0
FILES_PAGE_SIZE = 10_000


class Versions(Service):
    STUB: ClassVar = VersionServiceStub

    def create(
        self,
        model: str,
        *,
        upload: str = "",
        files: Sequence[File] = (),
        spec: VersionSpec | None = None,
        message: str = "",
        request_id: str = "",
    ) -> Version:
        """From a complete upload session, or from files whose digests are stored already."""
        request = pb.CreateVersionRequest(
            parent=model_name(model),
            spec=spec_message(spec or VersionSpec()),
            message=message,
            request_id=request_id or new_request_id(),
        )
        if upload:
            request.upload = upload
        else:
            request.files.files.extend(file_messages(files))
        reply = self._call(
            self._stub.CreateVersion, request, repeats=True, deadline_s=CREATE_DEADLINE_S
        )
        return decode(Version, reply)

    def cut(self, model: str, revision: str, *, spec: VersionSpec | None = None) -> Version:
        """From a commit (40 hex) or a branch's head."""
        request = pb.CutVersionRequest(
            parent=model_name(model),
            revision=revision,
            spec=spec_message(spec or VersionSpec()),
            request_id=new_request_id(),
        )
        reply = self._call(
            self._stub.CutVersion, request, repeats=True, deadline_s=CREATE_DEADLINE_S
        )
        return decode(Version, reply)

    def get(self, reference: str) -> Version:
        """The version that a reference means now."""
        model, selector = split_reference(reference)
        if name := numbered(model, selector):
            return self._read(self._stub.GetVersion, pb.GetVersionRequest(name=name), Version)
        return self._resolved(model, selector)

    def name(self, reference: str) -> str:
        """`models/.../versions/{n}` of a reference; asks the server unless it holds a number."""
        model, selector = split_reference(reference)
        return numbered(model, selector) or self._resolved(model, selector).name

    def list(
        self,
        model: str,
        *,
        state: str = "",
        digest: str = "",
        order_by: str = "",
        page_size: int = 0,
    ) -> Iterator[Version]:
        """Newest first, or with order_by "number" oldest first."""
        request = pb.ListVersionsRequest(
            parent=model_name(model),
            state=number_of(pb.VersionState, state, field="state"),
            digest=digest,
            order_by=order_by,
        )
        return self._pages(self._stub.ListVersions, request, "versions", Version)

    def newest(self, model: str) -> Version | None:
        """The one with the highest number, whatever its state."""
        request = pb.ListVersionsRequest(parent=model_name(model), page_size=1)
        reply = self._call(self._stub.ListVersions, request, repeats=True)
        return next((decode(Version, each) for each in reply.versions), None)

    def files(self, reference: str) -> Iterator[File]:
        """By path in byte order."""
        return self.files_of(self.name(reference))

    def files_of(self, name: str) -> Iterator[File]:
        """The same for a whole resource name, a commit's as well."""
        request = pb.ListFilesRequest(parent=name, page_size=FILES_PAGE_SIZE)
        return self._pages(self._stub.ListFiles, request, "files", File)

    def manifest(self, reference: str) -> Manifest:
        request = pb.GetManifestRequest(name=self.name(reference))
        return self._read(self._stub.GetManifest, request, Manifest)

    def diff(self, base: str, other: str) -> VersionDiff:
        request = pb.DiffVersionsRequest(base=self.name(base), other=self.name(other))
        return self._read(self._stub.DiffVersions, request, VersionDiff)

    def evaluate(
        self,
        reference: str,
        evaluation: str,
        metrics: Mapping[str, float],
        *,
        dataset: Dataset,
        tool: str = "",
    ) -> Evaluation:
        """Add a measured result, for good. The data set needs a name and a digest."""
        request = pb.AddEvaluationRequest(
            parent=self.name(reference),
            evaluation=pb.Evaluation(
                evaluation=evaluation,
                metrics=metrics,
                dataset=_dataset(dataset),
                tool=tool,
            ),
            request_id=new_request_id(),
        )
        return self._read(self._stub.AddEvaluation, request, Evaluation)

    def evaluations(self, reference: str) -> Iterator[Evaluation]:
        """Newest first."""
        request = pb.ListEvaluationsRequest(parent=self.name(reference))
        return self._pages(self._stub.ListEvaluations, request, "evaluations", Evaluation)

    def yank(self, reference: str, reason: str, *, validate_only: bool = False) -> Version:
        """Withdraw it from every name. Repeats safely."""
        request = pb.YankVersionRequest(
            name=self.name(reference), reason=reason, validate_only=validate_only
        )
        return self._read(self._stub.YankVersion, request, Version)

    def unyank(self, reference: str) -> Version:
        request = pb.UnyankVersionRequest(name=self.name(reference))
        return self._once(self._stub.UnyankVersion, request, Version)

    def _resolved(self, model: str, selector: str) -> Version:
        stub = self._connection.stub(ReferenceServiceStub)
        request = references_pb2.ResolveReferenceRequest(parent=model, reference=selector)
        reply = self._call(stub.ResolveReference, request, repeats=True)
        return decode(Version, reply.version)


def file_messages(files: Sequence[File]) -> Iterator[pb.File]:
    for file in files:
        yield pb.File(
            path=file.path,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            media_type=file.media_type,
        )


def spec_message(spec: VersionSpec) -> pb.VersionSpec:
    return pb.VersionSpec(
        description=spec.description,
        parameters=spec.parameters,
        metrics=spec.metrics,
        datasets=[_dataset(dataset) for dataset in spec.datasets],
        code=pb.CodeRevision(
            repository=spec.code.repository, revision=spec.code.revision, dirty=spec.code.dirty
        ),
        run_url=spec.run_url,
        bases=[
            pb.Base(
                version=base.version,
                kind=number_of(pb.LineageKind, base.kind, field="kind"),
            )
            for base in spec.bases
        ],
    )


def _dataset(dataset: Dataset) -> pb.Dataset:
    return pb.Dataset(name=dataset.name, digest=dataset.digest, uri=dataset.uri, role=dataset.role)
