"""ServerService over gRPC: what a client must know before it says who it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.domain.server import ServerInfo
from registry.v1 import server_pb2 as pb


class ServerServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["ServerService"]

    def __init__(self, info: ServerInfo, policy_digest: Callable[[], str]) -> None:
        """`policy_digest` is asked for each call, since it changes while the server runs."""
        self._info = info
        self._policy_digest = policy_digest

    def get_server_info(self, call: Call, request: pb.GetServerInfoRequest) -> pb.ServerInfo:
        return pb.ServerInfo(
            version=self._info.version,
            http_url=self._info.http_url,
            exclusive_stages=self._info.exclusive_stages,
            policy_digest=self._policy_digest(),
            database=self._info.database,
            schema_revision=self._info.schema_revision,
            development=self._info.development,
            file_size_bytes_max=self._info.file_size_bytes_max,
            password_login=self._info.password_login,
        )
