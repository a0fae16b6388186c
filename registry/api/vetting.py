"""VettingService over gRPC: unpack, call, pack."""

from __future__ import annotations

import json
from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import VERSION_STATES, namespace_scope, page_request, timestamp
from registry.api.versions import VERDICTS, to_proto
from registry.domain.inspections import Change, Rerun
from registry.names import VersionName, VettingRerunName
from registry.services.trait_searches import TraitSearches
from registry.services.vetting_reports import FileFacts, VettingReports, VettingStatus, scope_of
from registry.v1 import vetting_pb2 as pb


class VettingServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["VettingService"]

    def __init__(self, reports: VettingReports, searches: TraitSearches) -> None:
        self._reports = reports
        self._searches = searches

    def get_vetting(self, call: Call, request: pb.GetVettingRequest) -> pb.VettingStatus:
        name = VersionName.parse(request.version, field="version")
        return _status(self._reports.status(call.caller, name))

    def list_file_facts(
        self, call: Call, request: pb.ListFileFactsRequest
    ) -> pb.ListFileFactsResponse:
        page = self._reports.facts(
            call.caller,
            VersionName.parse(request.version, field="version"),
            path=request.path,
            page=page_request(request.page_size, request.page_token),
        )
        return pb.ListFileFactsResponse(
            files=[_facts(each) for each in page.items], next_page_token=page.next_page_token
        )

    def search_versions(
        self, call: Call, request: pb.SearchVersionsRequest
    ) -> pb.SearchVersionsResponse:
        page = self._searches.versions(
            call.caller,
            namespace_scope(request.parent),
            traits=request.traits,
            parameters_min=request.parameters_min,
            parameters_max=request.parameters_max,
            page=page_request(request.page_size, request.page_token),
        )
        return pb.SearchVersionsResponse(
            versions=[to_proto(version) for version in page.items],
            next_page_token=page.next_page_token,
        )

    def create_vetting_rerun(
        self, call: Call, request: pb.CreateVettingRerunRequest
    ) -> pb.VettingRerun:
        return _rerun(
            self._reports.rerun(
                call.caller,
                request.scope,
                everything=request.all,
                request_id=request.request_id,
            )
        )

    def get_vetting_rerun(self, call: Call, request: pb.GetVettingRerunRequest) -> pb.VettingRerun:
        return _rerun(self._reports.get_rerun(call.caller, VettingRerunName.parse(request.name)))

    def list_vetting_changes(
        self, call: Call, request: pb.ListVettingChangesRequest
    ) -> pb.ListVettingChangesResponse:
        page = self._reports.changes(
            call.caller,
            VettingRerunName.parse(request.name),
            page_request(request.page_size, request.page_token),
        )
        return pb.ListVettingChangesResponse(
            changes=[_change(each) for each in page.items], next_page_token=page.next_page_token
        )


def _status(status: VettingStatus) -> pb.VettingStatus:
    version, run = status.version, status.run
    made = pb.VettingStatus(
        version=version.name,
        done=status.done,
        file_count=version.file_count,
        size_bytes=version.size_bytes,
        start_time=None if run is None else timestamp(run.start_time_us),
        update_time=None if run is None else timestamp(run.update_time_us),
    )
    if version.vetting is not None:
        made.verdict = VERDICTS.to_proto(version.vetting.verdict)
        made.rules_digest = version.vetting.rules_digest
    if run is not None:
        made.running = True
        made.files_done, made.bytes_done = run.files_done, run.bytes_done
        made.path, made.problem = run.path, run.problem
    return made


def _facts(found: FileFacts) -> pb.FileFacts:
    return pb.FileFacts(
        path=found.file.path,
        sha256=found.file.sha256,
        size_bytes=found.file.size_bytes,
        verdict=VERDICTS.to_proto(found.verdict),
        format=found.format,
        facts_json=json.dumps(found.facts, sort_keys=True, separators=(",", ":")),
    )


def _rerun(rerun: Rerun) -> pb.VettingRerun:
    return pb.VettingRerun(
        name=rerun.name,
        scope=scope_of(rerun),
        requester=rerun.requester,
        create_time=timestamp(rerun.create_time_us),
        version_count=rerun.version_count,
        done_count=rerun.done_count,
        end_time=timestamp(rerun.end_time_us),
    )


def _change(change: Change) -> pb.VettingChange:
    made = pb.VettingChange(
        version=change.version,
        was_state=VERSION_STATES.to_proto(change.was),
        state=VERSION_STATES.to_proto(change.to),
        verdict=VERDICTS.to_proto(change.verdict),
    )
    if change.was_verdict is not None:
        made.was_verdict = VERDICTS.to_proto(change.was_verdict)
    return made
