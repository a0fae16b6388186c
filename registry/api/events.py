"""EventService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import namespace_scope, page_request, time_us, timestamp
from registry.domain.events import Event
from registry.ports.tables import EventQuery
from registry.services.events import EventService
from registry.v1 import events_pb2 as pb


class EventServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["EventService"]

    def __init__(self, events: EventService) -> None:
        self._events = events

    def list_events(self, call: Call, request: pb.ListEventsRequest) -> pb.ListEventsResponse:
        page = self._events.list(
            call.caller,
            _query(request),
            request.order_by,
            page_request(request.page_size, request.page_token),
        )
        return pb.ListEventsResponse(
            events=[to_proto(event) for event in page.items],
            next_page_token=page.next_page_token,
        )

    def verify_events(self, call: Call, request: pb.VerifyEventsRequest) -> pb.VerifyEventsResponse:
        summary = self._events.verify(
            call.caller,
            call.is_active,
            checkpoints=request.checkpoints,
            public_keys=request.public_keys,
        )
        return pb.VerifyEventsResponse(
            event_count=summary.event_count,
            shard_count=len(summary.heads),
            heads=[
                pb.VerifyEventsResponse.Head(shard=head.shard, number=head.number, hash=head.hash)
                for head in summary.heads
            ],
            checkpoint_count=summary.checkpoint_count,
            beginnings=[
                pb.VerifyEventsResponse.Beginning(
                    checkpoint=f"checkpoints/{beginning.checkpoint}",
                    time=timestamp(beginning.time_us),
                    lost_key=beginning.lost_key,
                    public_key=beginning.public_key,
                )
                for beginning in summary.beginnings
            ],
        )


def to_proto(event: Event) -> pb.Event:
    return pb.Event(
        name=event.name,
        time=timestamp(event.time_us),
        actor=event.actor,
        action=event.action,
        resource=event.resource,
        namespace=event.namespace,
        detail_json=event.detail_json,
        previous_hash=event.previous_hash,
        hash=event.hash,
    )


def _query(request: pb.ListEventsRequest) -> EventQuery:
    start_time_us = end_time_us = None
    if request.HasField("start_time"):
        start_time_us = time_us(request.start_time, "start_time")
    if request.HasField("end_time"):
        end_time_us = time_us(request.end_time, "end_time")
    return EventQuery(
        namespace=namespace_scope(request.parent),
        resource=request.resource,
        actor=request.actor,
        action=request.action,
        start_time_us=start_time_us,
        end_time_us=end_time_us,
    )
