"""Waivers: exceptions, for a time, from one rule of the policy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from registry.client.connection import new_request_id
from registry.client.decode import number_of, timestamp
from registry.client.judged import Waiver
from registry.client.names import scope_name, waiver_name
from registry.client.service import Service
from registry.v1 import decisions_pb2
from registry.v1 import waivers_pb2 as pb
from registry.v1.waivers_pb2_grpc import WaiverServiceStub


class Waivers(Service):
    STUB: ClassVar = WaiverServiceStub

    def request(
        self,
        target: str,
        rule: str,
        *,
        reason: str,
        stage: str = "",
        expire_time: datetime | None = None,
    ) -> Waiver:
        """Ask for one, for `models/...` or `models/.../versions/{n}`."""
        request = pb.RequestWaiverRequest(
            target=target,
            rule=rule,
            reason=reason,
            stage=stage,
            expire_time=timestamp(expire_time),
            request_id=new_request_id(),
        )
        return self._read(self._stub.RequestWaiver, request, Waiver)

    def get(self, waiver: str | int) -> Waiver:
        request = pb.GetWaiverRequest(name=waiver_name(waiver))
        return self._read(self._stub.GetWaiver, request, Waiver)

    def list(self, scope: str = "", *, state: str = "", rule: str = "") -> Iterator[Waiver]:
        """Of a model, a namespace, or all that the caller may read; newest first."""
        request = pb.ListWaiversRequest(
            parent=scope_name(scope),
            state=number_of(pb.WaiverState, state, field="state"),
            rule=rule,
        )
        return self._pages(self._stub.ListWaivers, request, "waivers", Waiver)

    def decide(
        self, waiver: str | int, outcome: str, *, comment: str = "", policy_digest: str = ""
    ) -> Waiver:
        """`outcome` is approve or reject."""
        request = pb.DecideWaiverRequest(
            name=waiver_name(waiver),
            outcome=number_of(decisions_pb2.DecisionOutcome, outcome, field="outcome"),
            comment=comment,
            policy_digest=policy_digest,
        )
        return self._read(self._stub.DecideWaiver, request, Waiver)

    def withdraw(self, waiver: str | int) -> Waiver:
        request = pb.WithdrawWaiverRequest(name=waiver_name(waiver))
        return self._read(self._stub.WithdrawWaiver, request, Waiver)

    def revoke(self, waiver: str | int, *, comment: str = "") -> Waiver:
        request = pb.RevokeWaiverRequest(name=waiver_name(waiver), comment=comment)
        return self._read(self._stub.RevokeWaiver, request, Waiver)
