"""Hallmark as `hallmark serve` starts it: authentication, audit, vetting and the log are on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import Message

from benchmarks.load import Target, grpc_frame
from registry.client import Client
from registry.client.values import Grant, VersionSpec
from registry.client.versions import file_messages, spec_message
from registry.testing.server import ServerProcess
from registry.testing.sound import weights
from registry.v1 import references_pb2, versions_pb2

ALIAS = "champion"
RELEASE_TIMEOUT_S = 120.0
SPEC = VersionSpec(
    description="trained for the benchmark",
    parameters={"epochs": "3", "lr": "0.1"},
    metrics={"accuracy": 0.97},
)
CARD = b"---\nlicense: apache-2.0\npipeline_tag: image-classification\n---\n# A model\n"
WEIGHTS_BYTES = 10_000


class HallmarkServer:
    """A server on a database of its own, and a registrant on namespaces `team-...`."""

    def __init__(self, folder: Path, *, database_url: str = "") -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._settings = {"HALLMARK_DATABASE_URL": database_url} if database_url else {}

    def __enter__(self) -> Self:
        self._server = ServerProcess(self._folder / "home", self._settings)
        with self._server.client() as admin:
            roles = ("registrant", "reader")
            grants = [Grant(role=role, namespace_pattern="team-*") for role in roles]
            admin.principals.create("bench", grants=grants)
            expires = datetime.now(UTC) + timedelta(days=1)
            self._token = admin.tokens.create("bench", expire_time=expires).secret
        self.client: Client = self._server.client(self._token)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()
        self._server.stop()

    @property
    def pid(self) -> int:
        return self._server.pid

    def claim(self, namespaces: Sequence[str]) -> None:
        with self._server.client() as admin:
            for namespace in namespaces:
                admin.namespaces.create(namespace)

    def reads(self, models: Sequence[str]) -> list[Target]:
        """Models with a version under an alias, each asked for by that."""
        targets = []
        for model in models:
            version = self.push(model)
            self.client.references.set(model, ALIAS, kind="alias", target=version)
            request = references_pb2.ResolveReferenceRequest(
                parent=f"models/{model}", reference=ALIAS
            )
            target = self._target("ReferenceService/ResolveReference", model, request)
            answer = self._call("ReferenceService/ResolveReference", request)
            resolved = references_pb2.ResolveReferenceResponse.FromString(answer)
            if resolved.version.name != version:
                raise SystemExit(f"{model}@{ALIAS} is {resolved.version.name}, not {version}")
            targets.append(replace(target, answer_bytes=len(grpc_frame(answer))))
        return targets

    def creates(self, models: Sequence[str]) -> list[Target]:
        """New models, each to get version upon version of files that were sent before."""
        targets = []
        for model in models:
            files = list(self.client.versions.files_of(self.push(model)))
            request = versions_pb2.CreateVersionRequest(
                parent=f"models/{model}",
                files=versions_pb2.FileList(files=file_messages(files)),
                spec=spec_message(SPEC),
            )
            targets.append(self._target("VersionService/CreateVersion", model, request))
        return targets

    def latest(self, model: str) -> int:
        """The number of a model's newest version, which is how many were made."""
        return self.client.models.get(model).latest_version

    def push(self, model: str) -> str:
        """A first version of a new model, once it is released; its name."""
        folder = self._folder / "source"
        folder.mkdir(exist_ok=True)
        (folder / "README.md").write_bytes(CARD)
        data = weights(model.encode().ljust(WEIGHTS_BYTES, b"."))
        (folder / "model.safetensors").write_bytes(data)
        version = self.client.push(folder, model, parameters=SPEC.parameters).version
        if version is None:
            raise SystemExit(f"nothing was pushed to {model}")
        self.wait_for_release(version.ref)
        return version.name

    def wait_for_release(self, ref: str) -> None:
        until = time.monotonic() + RELEASE_TIMEOUT_S
        while self.client.versions.get(ref).state != "released":
            if time.monotonic() > until:
                raise SystemExit(f"{ref} was not released in time")
            time.sleep(0.05)

    def forget_bytes(self) -> None:
        """Remove what is stored, behind the registry's back, so that the disk does not fill up."""
        for path in (self._folder / "home" / "blobs").glob("blobs/??/??/*"):
            path.unlink()

    def _call(self, call: str, request: Message) -> bytes:
        """One answer as it comes over the wire, by an ordinary gRPC client."""
        with grpc.insecure_channel(self._server.grpc_target) as channel:
            send: Any = channel.unary_unary(f"/registry.v1.{call}")
            metadata = (("authorization", f"Bearer {self._token}"),)
            answer: bytes = send(request.SerializeToString(), metadata=metadata)
            return answer

    def _target(self, call: str, model: str, request: Message) -> Target:
        body = self._folder / f"{call.partition('/')[2]}-{model.replace('/', '-')}"
        body.write_bytes(grpc_frame(request.SerializeToString()))
        headers = (
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("authorization", f"Bearer {self._token}"),
        )
        url = f"http://{self._server.grpc_target}/registry.v1.{call}"
        return Target(url=url, headers=headers, body=body, http1=False)
