"""Reviews of stages that were moved without the decisions asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from registry.client.decode import number_of
from registry.client.judged import Review
from registry.client.names import review_name, scope_name
from registry.client.service import Service
from registry.v1 import decisions_pb2
from registry.v1 import reviews_pb2 as pb
from registry.v1.reviews_pb2_grpc import ReviewServiceStub


class Reviews(Service):
    STUB: ClassVar = ReviewServiceStub

    def get(self, review: str | int) -> Review:
        request = pb.GetReviewRequest(name=review_name(review))
        return self._read(self._stub.GetReview, request, Review)

    def list(self, scope: str = "", *, state: str = "") -> Iterator[Review]:
        """Of a model, a namespace, or all that the caller may read; newest first."""
        request = pb.ListReviewsRequest(
            parent=scope_name(scope), state=number_of(pb.ReviewState, state, field="state")
        )
        return self._pages(self._stub.ListReviews, request, "reviews", Review)

    def decide(self, review: str | int, outcome: str, *, comment: str = "") -> Review:
        """`outcome` is approve or reject."""
        request = pb.DecideReviewRequest(
            name=review_name(review),
            outcome=number_of(decisions_pb2.DecisionOutcome, outcome, field="outcome"),
            comment=comment,
        )
        return self._read(self._stub.DecideReview, request, Review)
