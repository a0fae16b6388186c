"""TransferService over gRPC: negotiates what then travels over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import EnumCodec, file_from_proto, file_to_proto, timestamp
from registry.domain.uploads import UploadFileState, UploadState
from registry.names import ModelName, UploadName, VersionName
from registry.services.downloads import DownloadService
from registry.services.uploads import UploadProgress, UploadService, UploadView
from registry.v1 import transfers_pb2 as pb

STATES = EnumCodec(pb.UploadState, "UPLOAD_STATE", UploadState)
FILE_STATES = EnumCodec(pb.UploadFileState, "UPLOAD_FILE_STATE", UploadFileState)


class TransferServicer:
    """The two functions make the addresses that the HTTP door serves for tickets."""

    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["TransferService"]

    def __init__(
        self,
        uploads: UploadService,
        downloads: DownloadService,
        *,
        upload_url: Callable[[str], str],
        download_url: Callable[[str], str],
    ) -> None:
        self._uploads = uploads
        self._downloads = downloads
        self._upload_url = upload_url
        self._download_url = download_url

    def create_upload(self, call: Call, request: pb.CreateUploadRequest) -> pb.Upload:
        upload = UploadName.parse(request.upload, field="upload") if request.upload else None
        return self._upload(
            self._uploads.create(
                call.caller,
                ModelName.parse(request.parent, field="parent"),
                [file_from_proto(file) for file in request.files],
                upload=upload,
                request_id=request.request_id,
            )
        )

    def get_upload(self, call: Call, request: pb.GetUploadRequest) -> pb.Upload:
        return self._upload(self._uploads.get(call.caller, UploadName.parse(request.name)))

    def delete_upload(self, call: Call, request: pb.DeleteUploadRequest) -> pb.DeleteUploadResponse:
        self._uploads.delete(call.caller, UploadName.parse(request.name))
        return pb.DeleteUploadResponse()

    def create_downloads(
        self, call: Call, request: pb.CreateDownloadsRequest
    ) -> pb.CreateDownloadsResponse:
        downloads = self._downloads.create(
            call.caller,
            VersionName.parse(request.version, field="version"),
            digest=request.digest,
            paths=request.paths,
            triton=request.triton,
        )
        return pb.CreateDownloadsResponse(
            downloads=[
                pb.Download(file=file_to_proto(file), url=self._download_url(ticket))
                for file, ticket in downloads.files
            ],
            expire_time=timestamp(downloads.expire_time_us),
        )

    def _upload(self, view: UploadView) -> pb.Upload:
        return pb.Upload(
            name=view.upload.name,
            model=f"models/{view.upload.model}",
            state=STATES.to_proto(view.state),
            files=[self._file(progress) for progress in view.files],
            expire_time=timestamp(view.upload.expire_time_us),
            digest=view.upload.digest,
        )

    def _file(self, progress: UploadProgress) -> pb.UploadFile:
        return pb.UploadFile(
            file=file_to_proto(progress.file),
            offset_bytes=progress.offset_bytes,
            state=FILE_STATES.to_proto(progress.state),
            url=self._upload_url(progress.ticket) if progress.ticket else "",
        )
