"""Promotions: how a version enters a stage, and what was in a stage when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from registry.client.connection import new_request_id
from registry.client.decode import number_of, timestamp
from registry.client.names import model_name, promotion_name, scope_name
from registry.client.service import Service
from registry.client.values import Promotion, StagePeriod
from registry.v1 import decisions_pb2
from registry.v1 import promotions_pb2 as pb
from registry.v1.promotions_pb2_grpc import PromotionServiceStub


class Promotions(Service):
    STUB: ClassVar = PromotionServiceStub

    def create(
        self,
        version: str,
        stage: str,
        *,
        note: str = "",
        expected_current: int = 0,
        expire_time: datetime | None = None,
        validate_only: bool = False,
        break_glass: bool = False,
    ) -> Promotion:
        """Ask for a version (`models/.../versions/{n}`) to enter a stage.

        `expected_current` is the version number that the stage must hold when it moves, -1 for
        none, 0 for whatever it holds. PolicyRefusedError where no decision could help. With
        `break_glass` it enters past what waits for decisions; `note` says why.
        """
        request = pb.CreatePromotionRequest(
            version=version,
            stage=stage,
            note=note,
            expected_current=expected_current,
            validate_only=validate_only,
            request_id="" if validate_only else new_request_id(),
            expire_time=timestamp(expire_time),
            break_glass=break_glass,
        )
        return self._read(self._stub.CreatePromotion, request, Promotion)

    def get(self, promotion: str | int) -> Promotion:
        request = pb.GetPromotionRequest(name=promotion_name(promotion))
        return self._read(self._stub.GetPromotion, request, Promotion)

    def list(self, scope: str = "", *, state: str = "", stage: str = "") -> Iterator[Promotion]:
        """Of a model, a namespace, or all that the caller may read; newest first."""
        request = pb.ListPromotionsRequest(
            parent=scope_name(scope),
            state=number_of(pb.PromotionState, state, field="state"),
            stage=stage,
        )
        return self._pages(self._stub.ListPromotions, request, "promotions", Promotion)

    def decide(
        self,
        promotion: str | int,
        outcome: str,
        *,
        digest: str,
        comment: str = "",
        expected_current: int = 0,
        conditions: Sequence[str] = (),
        expire_time: datetime | None = None,
    ) -> Promotion:
        """`outcome` is approve or reject; `digest` that of the version that was looked at."""
        request = pb.DecidePromotionRequest(
            name=promotion_name(promotion),
            outcome=number_of(decisions_pb2.DecisionOutcome, outcome, field="outcome"),
            comment=comment,
            digest=digest,
            expected_current=expected_current,
            conditions=conditions,
            expire_time=timestamp(expire_time),
        )
        return self._read(self._stub.DecidePromotion, request, Promotion)

    def withdraw(self, promotion: str | int) -> Promotion:
        request = pb.WithdrawPromotionRequest(name=promotion_name(promotion))
        return self._read(self._stub.WithdrawPromotion, request, Promotion)

    def rollback(
        self,
        model: str,
        stage: str,
        *,
        version: str = "",
        to_empty: bool = False,
        expected_current: int = 0,
        note: str = "",
        validate_only: bool = False,
    ) -> StagePeriod:
        """To the version before, to one (by resource name) that was ever there, or to nothing."""
        request = pb.RollbackStageRequest(
            parent=model_name(model),
            stage=stage,
            version=version,
            to_empty=to_empty,
            expected_current=expected_current,
            note=note,
            validate_only=validate_only,
            request_id="" if validate_only else new_request_id(),
        )
        return self._read(self._stub.RollbackStage, request, StagePeriod)

    def history(
        self, model: str, stage: str, *, at_time: datetime | None = None
    ) -> Iterator[StagePeriod]:
        """What was in a stage when, newest first; with `at_time` what was there then, if any."""
        request = pb.ListStageHistoryRequest(
            parent=model_name(model), stage=stage, at_time=timestamp(at_time)
        )
        return self._pages(self._stub.ListStageHistory, request, "periods", StagePeriod)
