"""CommitService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import file_from_proto, page_request, timestamp
from registry.domain.commits import Commit
from registry.names import ModelName, UploadName
from registry.services.commits import Change, CommitService
from registry.services.sources import Source
from registry.v1 import commits_pb2 as pb


class CommitServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["CommitService"]

    def __init__(self, commits: CommitService) -> None:
        self._commits = commits

    def create_commit(self, call: Call, request: pb.CreateCommitRequest) -> pb.Commit:
        upload = UploadName.parse(request.upload, field="upload") if request.upload else None
        return to_proto(
            self._commits.create(
                call.caller,
                ModelName.parse(request.parent, field="parent"),
                branch=request.branch,
                expected_head=request.expected_head,
                change=Change(
                    source=Source(
                        upload=upload,
                        files=tuple(file_from_proto(file) for file in request.files),
                    ),
                    deleted_paths=tuple(request.deleted_paths),
                    replace_tree=request.replace_tree,
                ),
                message=request.message,
                request_id=request.request_id,
            )
        )

    def get_commit(self, call: Call, request: pb.GetCommitRequest) -> pb.Commit:
        # Not a CommitName, which is whole: here the beginning of an id is taken too.
        model, _, id = request.name.rpartition("/commits/")
        return to_proto(self._commits.get(call.caller, ModelName.parse(model), id))

    def list_commits(self, call: Call, request: pb.ListCommitsRequest) -> pb.ListCommitsResponse:
        page = self._commits.list(
            call.caller,
            ModelName.parse(request.parent, field="parent"),
            request.revision,
            page_request(request.page_size, request.page_token),
        )
        return pb.ListCommitsResponse(
            commits=[to_proto(commit) for commit in page.items],
            next_page_token=page.next_page_token,
        )


def to_proto(commit: Commit) -> pb.Commit:
    return pb.Commit(
        name=commit.name,
        id=commit.id,
        tree=commit.tree,
        parents=commit.parents,
        author=f"principals/{commit.author}",
        create_time=timestamp(commit.create_time_us),
        message=commit.message,
        file_count=commit.file_count,
        size_bytes=commit.size_bytes,
    )
