"""InboxService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import VERSION_STATES, EnumCodec, page_request, timestamp
from registry.api.promotions import requirement_to_proto
from registry.api.versions import VERDICTS
from registry.domain.inbox import InboxItem, InboxKind, InboxScope
from registry.services.inbox import InboxService
from registry.v1 import inbox_pb2 as pb

SCOPES = EnumCodec(pb.InboxScope, "INBOX_SCOPE", InboxScope)
KINDS = EnumCodec(pb.InboxKind, "INBOX_KIND", InboxKind)


class InboxServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["InboxService"]

    def __init__(self, inbox: InboxService) -> None:
        self._inbox = inbox

    def list_inbox(self, call: Call, request: pb.ListInboxRequest) -> pb.ListInboxResponse:
        scope = SCOPES.optional(request.scope, "scope")
        page = self._inbox.list(
            call.caller,
            scope=InboxScope.WAITING_FOR_ME if scope is None else InboxScope(scope),
            page=page_request(request.page_size, request.page_token),
        )
        return pb.ListInboxResponse(
            items=[to_proto(item) for item in page.items],
            next_page_token=page.next_page_token,
        )


def to_proto(item: InboxItem) -> pb.InboxItem:
    version = item.version
    vetting = version.vetting if version else None
    message = pb.InboxItem(
        kind=KINDS.to_proto(item.kind),
        name=item.name,
        subject=item.subject,
        stage=item.stage,
        rule=item.rule,
        requester=f"principals/{item.requester}",
        reason=item.reason,
        since_time=timestamp(item.since_us),
        due_time=timestamp(item.due_us),
        waiting=[requirement_to_proto(requirement) for requirement in item.waiting],
        principal=f"principals/{item.principal}" if item.principal else "",
        approval_count=len(item.approvers),
        triton_ready=item.triton_ready,
    )
    if version is not None:
        message.version_state = VERSION_STATES.to_proto(version.state)
    if vetting is not None:
        message.verdict = VERDICTS.to_proto(vetting.verdict)
        message.finding_count = len(vetting.findings)
    return message
