"""Commits: points on a branch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from registry.client.connection import new_request_id
from registry.client.names import model_name
from registry.client.service import Service
from registry.client.values import Commit, File
from registry.client.versions import file_messages
from registry.v1 import commits_pb2 as pb
from registry.v1.commits_pb2_grpc import CommitServiceStub


class Commits(Service):
    STUB: ClassVar = CommitServiceStub

    def create(
        self,
        model: str,
        message: str,
        *,
        branch: str = "",
        expected_head: str = "",
        files: Sequence[File] = (),
        upload: str = "",
        deleted_paths: Sequence[str] = (),
        replace_tree: bool = False,
    ) -> Commit:
        """On `main` where no branch is named; its files' bytes have to be stored already."""
        request = pb.CreateCommitRequest(
            parent=model_name(model),
            branch=branch,
            expected_head=expected_head,
            files=file_messages(files),
            upload=upload,
            deleted_paths=deleted_paths,
            replace_tree=replace_tree,
            message=message,
            request_id=new_request_id(),
        )
        return self._read(self._stub.CreateCommit, request, Commit)

    def get(self, model: str, commit: str) -> Commit:
        """By its id, or a unique beginning of at least 7 hex digits."""
        request = pb.GetCommitRequest(name=f"{model_name(model)}/commits/{commit}")
        return self._read(self._stub.GetCommit, request, Commit)

    def list(self, model: str, revision: str = "") -> Iterator[Commit]:
        """From a branch's head (empty: `main`) or a commit back, newest first."""
        request = pb.ListCommitsRequest(parent=model_name(model), revision=revision)
        return self._pages(self._stub.ListCommits, request, "commits", Commit)
