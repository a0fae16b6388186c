"""Vetting: how far it is, what it learned of files, and having it done again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from registry.client.connection import new_request_id
from registry.client.names import vetting_rerun_name
from registry.client.service import Service
from registry.client.values import Version
from registry.client.vetting_values import FileFacts, VettingChange, VettingRerun, VettingStatus
from registry.v1 import vetting_pb2 as pb
from registry.v1.vetting_pb2_grpc import VettingServiceStub


class Vetting(Service):
    """Versions go by resource name here."""

    STUB: ClassVar = VettingServiceStub

    def status(self, version: str) -> VettingStatus:
        """How far a version is."""
        request = pb.GetVettingRequest(version=version)
        return self._read(self._stub.GetVetting, request, VettingStatus)

    def facts(self, version: str, *, path: str = "") -> Iterator[FileFacts]:
        """What was learned of its files, or of one of them, by path."""
        request = pb.ListFileFactsRequest(version=version, path=path)
        return self._pages(self._stub.ListFileFacts, request, "files", FileFacts)

    def search(
        self,
        *traits: str,
        namespace: str = "",
        parameters_min: int = 0,
        parameters_max: int = 0,
    ) -> Iterator[Version]:
        """Versions whose files have all of these, such as `operator=Conv`; the newest first."""
        request = pb.SearchVersionsRequest(
            parent=f"namespaces/{namespace or '-'}",
            traits=traits,
            parameters_min=parameters_min,
            parameters_max=parameters_max,
        )
        return self._pages(self._stub.SearchVersions, request, "versions", Version)

    def rerun(self, scope: str = "") -> VettingRerun:
        """Have versions vetted anew: `models/...` or `models/.../versions/{n}`; empty: all."""
        request = pb.CreateVettingRerunRequest(
            scope=scope, all=not scope, request_id=new_request_id()
        )
        return self._read(self._stub.CreateVettingRerun, request, VettingRerun)

    def get_rerun(self, rerun: str | int) -> VettingRerun:
        request = pb.GetVettingRerunRequest(name=vetting_rerun_name(rerun))
        return self._read(self._stub.GetVettingRerun, request, VettingRerun)

    def changes(self, rerun: str | int) -> Iterator[VettingChange]:
        """Versions whose state or verdict is another one since."""
        request = pb.ListVettingChangesRequest(name=vetting_rerun_name(rerun))
        return self._pages(self._stub.ListVettingChanges, request, "changes", VettingChange)


def facts_of(found: FileFacts) -> Mapping[str, Any]:
    """The facts by name."""
    facts: Mapping[str, Any] = json.loads(found.facts_json)
    return facts
