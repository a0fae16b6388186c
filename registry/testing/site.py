"""A registry served over HTTP, and a client that says exactly what it is told to say."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from registry.domain.access import Role
from registry.domain.server import ServerInfo
from registry.doors.app import build_app
from registry.doors.http_server import HttpServer
from registry.names import ModelName, VersionName
from registry.testing.world import Login, World, grant, manifest_file

HANG_S = 20.0
MODEL = "fraud/scorer"
INFO = ServerInfo(
    version="1.2.3",
    http_url="http://registry.example",
    grpc_target="registry.example:8081",
    exclusive_stages=("staging", "production"),
    policy_digest="sha256:" + "0" * 64,
    database="sqlite",
    schema_revision="0001",
    development=True,
    file_size_bytes_max=2**50,
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The error that a JSON body tells."""
        found: dict[str, Any] = self.json["error"]
        return found


class Site:
    """A registry that is served, with one model and one registrant."""

    def __init__(self, world: World, *, accel_prefix: str = "") -> None:
        self.world = world
        self._accel_prefix = accel_prefix
        self.ada: Login = world.login("ada", grant(Role.REGISTRANT, "fraud"))
        world.model(MODEL)
        self.start()

    def start(self) -> None:
        app = build_app(
            info=INFO,
            uploads=self.world.uploads,
            downloads=self.world.downloads,
            database=self.world.database,
            blobs=self.world.blobs,
            accel_prefix=self._accel_prefix,
        )
        self._server = HttpServer(host="127.0.0.1", port=0)
        self.port = self._server.port
        self._server.start(app)

    def stop(self, grace_s: float = 0.0) -> None:
        self._server.stop(grace_s)

    def download(self, path: str, data: bytes) -> str:
        """The address of one file of a new version."""
        version = self.world.version(MODEL, {path: data})
        name = VersionName(model=ModelName(path=MODEL), number=version.number)
        made = self.world.downloads.create(self.ada.caller, name, digest="", paths=())
        return f"/dl/{made.files[0][1]}"

    def upload(self, data: bytes, *, announced: bytes | None = None) -> str:
        """The address of one file of a new session."""
        file = manifest_file("model.bin", data if announced is None else announced)
        made = self.world.uploads.create(
            self.ada.caller, ModelName(path=MODEL), [file], upload=None, request_id=""
        )
        return f"/hallmark/v1/uploads/{made.files[0].ticket}"

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """One request on a connection of its own; a body of pieces is sent in chunks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_S)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(status=response.status, headers=found, body=response.read())
        finally:
            connection.close()

    def send(self, path: str, offset: int, data: bytes) -> Answer:
        return self.ask("PATCH", path, patch_headers(offset), data)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=HANG_S)

    def begin_patch(self, path: str, offset: int, length: int, data: bytes) -> socket.socket:
        """A PATCH of which only a part has been sent."""
        client = self.connect()
        lines = [f"PATCH {path} HTTP/1.1", "Host: x", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in patch_headers(offset).items()]
        client.sendall("\r\n".join([*lines, "", ""]).encode() + data)
        return client

    def raw(self, data: bytes) -> bytes:
        """All that comes back for these bytes, after which nothing more is sent."""
        with self.connect() as client:
            # The server may have answered and hung up before it has all.
            with suppress(OSError):
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            return read_all(client)


def read_all(client: socket.socket) -> bytes:
    """Until the other side closes, or resets, the connection."""
    pieces = []
    try:
        while piece := client.recv(1 << 20):
            pieces.append(piece)
    except ConnectionResetError:
        pieces.append(b"")
    return b"".join(pieces)


def patch_headers(offset: int) -> dict[str, str]:
    return {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
