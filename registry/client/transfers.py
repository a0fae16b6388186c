"""Transfers: upload sessions and addresses to download from. `push` and `pull` stand on these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from registry.client.connection import new_request_id
from registry.client.decode import decode
from registry.client.names import model_name
from registry.client.service import Service
from registry.client.values import Download, File, Upload
from registry.client.versions import file_messages
from registry.v1 import transfers_pb2 as pb
from registry.v1.transfers_pb2_grpc import TransferServiceStub

#: Of one call each; the server's bounds.
UPLOAD_FILES_MAX = 25_000
DOWNLOAD_PATHS_MAX = 1_000
DEADLINE_S = 300.0


class Transfers(Service):
    STUB: ClassVar = TransferServiceStub

    def create_upload(
        self, model: str, files: Sequence[File], *, request_id: str = "", upload: str = ""
    ) -> Upload:
        """Open a session, or add to one, for at most 25,000 files a call."""
        request = pb.CreateUploadRequest(
            parent=model_name(model),
            files=file_messages(files),
            request_id=request_id or new_request_id(),
            upload=upload,
        )
        reply = self._call(self._stub.CreateUpload, request, repeats=True, deadline_s=DEADLINE_S)
        return decode(Upload, reply)

    def get_upload(self, upload: str) -> Upload:
        """A session with fresh addresses."""
        return self._read(self._stub.GetUpload, pb.GetUploadRequest(name=upload), Upload)

    def delete_upload(self, upload: str) -> None:
        self._call(self._stub.DeleteUpload, pb.DeleteUploadRequest(name=upload), repeats=True)

    def create_downloads(
        self, version: str, *, digest: str = "", paths: Sequence[str] = (), triton: str = ""
    ) -> tuple[Download, ...]:
        """Signed addresses in path order: of all files, or of at most 1,000 that are named.
        `triton` is the release that they are fetched for."""
        request = pb.CreateDownloadsRequest(
            version=version, digest=digest, paths=paths, triton=triton
        )
        reply: pb.CreateDownloadsResponse = self._call(
            self._stub.CreateDownloads, request, repeats=True
        )
        return tuple(decode(Download, each) for each in reply.downloads)
