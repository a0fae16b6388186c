"""The inbox: what waits for whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from registry.client.decode import number_of
from registry.client.judged import InboxItem
from registry.client.service import Service
from registry.v1 import inbox_pb2 as pb
from registry.v1.inbox_pb2_grpc import InboxServiceStub


class Inbox(Service):
    STUB: ClassVar = InboxServiceStub

    def list(self, scope: str = "waiting_for_me") -> Iterator[InboxItem]:
        """What the caller may decide on, or with `mine` asked for, or with `all` may read; the
        earliest due first."""
        request = pb.ListInboxRequest(scope=number_of(pb.InboxScope, scope, field="scope"))
        return self._pages(self._stub.ListInbox, request, "items", InboxItem)
