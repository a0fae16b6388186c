"""Events: the audit log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from registry.client.decode import decode, timestamp
from registry.client.names import parent_name
from registry.client.service import Service
from registry.client.values import AuditReport, Event
from registry.v1 import events_pb2 as pb
from registry.v1.events_pb2_grpc import EventServiceStub

#: About 100,000 events a second: enough for 300 millions.
VERIFY_DEADLINE_S = 3600.0


class Events(Service):
    STUB: ClassVar = EventServiceStub

    def list(
        self,
        namespace: str = "",
        *,
        resource: str = "",
        actor: str = "",
        action: str = "",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        order_by: str = "",
    ) -> Iterator[Event]:
        """Newest first, or with order_by "time" oldest first. Every filter must match."""
        request = pb.ListEventsRequest(
            parent=parent_name(namespace),
            resource=resource,
            actor=actor,
            action=action,
            start_time=timestamp(start_time),
            end_time=timestamp(end_time),
            order_by=order_by,
        )
        return self._pages(self._stub.ListEvents, request, "events", Event)

    def verify(
        self, *, checkpoints: Sequence[str] = (), public_keys: Sequence[str] = ()
    ) -> AuditReport:
        """Have the server recompute every hash and compare it with its checkpoints and with these
        notes; DamagedError names the first bad record.

        `public_keys` are to be believed in place of the server's own.
        """
        reply = self._call(
            self._stub.VerifyEvents,
            pb.VerifyEventsRequest(checkpoints=checkpoints, public_keys=public_keys),
            repeats=True,
            deadline_s=VERIFY_DEADLINE_S,
        )
        return decode(AuditReport, reply)
