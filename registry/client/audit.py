"""The audit log's evidence: checkpoints, proofs, keys, and the log itself as a stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from registry.client.audit_values import (
    AuditCheckpoint,
    AuditKeys,
    ConsistencyProof,
    EventProof,
    ExportBatch,
)
from registry.client.connection import backoff, new_request_id
from registry.client.decode import decode, timestamp
from registry.client.errors import ClientError
from registry.client.names import parent_name
from registry.client.service import Service
from registry.v1 import audit_pb2 as pb
from registry.v1.audit_pb2_grpc import AuditServiceStub

#: A shard of a hundred million events takes a while.
PROVE_DEADLINE_S = 600.0
EXPORT_DEADLINE_S = 3600.0


class Audit(Service):
    STUB: ClassVar = AuditServiceStub

    def checkpoint(self) -> AuditCheckpoint:
        """Sign what is there now; the newest checkpoint where nothing is new."""
        request = pb.CreateCheckpointRequest(request_id=new_request_id())
        reply = self._call(
            self._stub.CreateCheckpoint, request, repeats=True, deadline_s=PROVE_DEADLINE_S
        )
        return decode(AuditCheckpoint, reply)

    def replace_lost_key(self, lost_key: str, note: str) -> AuditCheckpoint:
        """Have checkpoints go on by the server's own key, since the one that has to sign (64 hex)
        is lost. Verifying tells of it from then on."""
        request = pb.ReplaceLostKeyRequest(
            lost_key=lost_key, note=note, request_id=new_request_id()
        )
        reply = self._call(
            self._stub.ReplaceLostKey, request, repeats=True, deadline_s=PROVE_DEADLINE_S
        )
        return decode(AuditCheckpoint, reply)

    def get(self, number: int = 0) -> AuditCheckpoint:
        """By its number; the newest for 0."""
        request = pb.GetCheckpointRequest(name=f"checkpoints/{number or '-'}")
        return self._read(self._stub.GetCheckpoint, request, AuditCheckpoint)

    def list(self, *, order_by: str = "") -> Iterator[AuditCheckpoint]:
        """Newest first, or with order_by "number" oldest first."""
        request = pb.ListCheckpointsRequest(order_by=order_by)
        return self._pages(self._stub.ListCheckpoints, request, "checkpoints", AuditCheckpoint)

    def prove(self, event: str, *, checkpoint: int = 0) -> EventProof:
        """That an event (`shards/3/events/7`) is in a checkpoint, by default the newest."""
        name = f"checkpoints/{checkpoint}" if checkpoint else ""
        request = pb.ProveEventRequest(name=event, checkpoint=name)
        reply = self._call(
            self._stub.ProveEvent, request, repeats=True, deadline_s=PROVE_DEADLINE_S
        )
        return decode(EventProof, reply)

    def prove_consistency(self, old: int, new: int = 0) -> ConsistencyProof:
        """That the log of one checkpoint is the beginning of a later one's."""
        name = f"checkpoints/{new}" if new else ""
        request = pb.ProveConsistencyRequest(old=f"checkpoints/{old}", new=name)
        reply = self._call(
            self._stub.ProveConsistency, request, repeats=True, deadline_s=PROVE_DEADLINE_S
        )
        return decode(ConsistencyProof, reply)

    def keys(self) -> AuditKeys:
        """The keys that signed, oldest first, and the one that signs now."""
        return self._read(self._stub.GetAuditKeys, pb.GetAuditKeysRequest(), AuditKeys)

    def export(
        self,
        namespace: str = "",
        *,
        action: str = "",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        cursor: str = "",
    ) -> Iterator[ExportBatch]:
        """Events behind a cursor up to now, each once, by time; with each batch the cursor to go
        on from. A connection that is cut is taken up again where it was."""
        request = pb.ExportEventsRequest(
            parent=parent_name(namespace),
            action=action,
            start_time=timestamp(start_time),
            end_time=timestamp(end_time),
            cursor=cursor,
        )
        give_up_s, waits = time.monotonic() + self._connection.patience_s, backoff()
        while True:
            try:
                for reply in self._connection.stream(
                    self._stub.ExportEvents, request, deadline_s=EXPORT_DEADLINE_S
                ):
                    yield decode(ExportBatch, reply)
                    request.cursor = reply.cursor
                    give_up_s, waits = time.monotonic() + self._connection.patience_s, backoff()
                return
            except ClientError as error:
                # The server cuts off what takes longer than it likes.
                if error.status not in ("UNAVAILABLE", "CANCELLED"):
                    raise
                delay_s = next(waits)
                if time.monotonic() + delay_s > give_up_s:
                    raise
            time.sleep(delay_s)
