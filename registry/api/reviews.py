"""ReviewService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import EnumCodec, namespace_scope, page_request, timestamp
from registry.api.decisions import OUTCOMES, decision_to_proto
from registry.domain.promotions import Outcome
from registry.domain.reviews import Review, ReviewState
from registry.names import ModelName, ReviewName
from registry.services.reviews import ReviewService
from registry.v1 import reviews_pb2 as pb

STATES = EnumCodec(pb.ReviewState, "REVIEW_STATE", ReviewState)


class ReviewServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["ReviewService"]

    def __init__(self, reviews: ReviewService) -> None:
        self._reviews = reviews

    def get_review(self, call: Call, request: pb.GetReviewRequest) -> pb.Review:
        return to_proto(self._reviews.get(call.caller, ReviewName.parse(request.name)))

    def list_reviews(self, call: Call, request: pb.ListReviewsRequest) -> pb.ListReviewsResponse:
        of_model = request.parent.startswith("models/")
        state = STATES.optional(request.state, "state")
        page = self._reviews.list(
            call.caller,
            model=ModelName.parse(request.parent, field="parent") if of_model else None,
            namespace=None if of_model else namespace_scope(request.parent, or_else=ModelName.FORM),
            state=None if state is None else ReviewState(state),
            page=page_request(request.page_size, request.page_token),
        )
        return pb.ListReviewsResponse(
            reviews=[to_proto(review) for review in page.items],
            next_page_token=page.next_page_token,
        )

    def decide_review(self, call: Call, request: pb.DecideReviewRequest) -> pb.Review:
        return to_proto(
            self._reviews.decide(
                call.caller,
                ReviewName.parse(request.name),
                outcome=Outcome(OUTCOMES.value_of(request.outcome, "outcome")),
                comment=request.comment,
            )
        )


def to_proto(review: Review) -> pb.Review:
    return pb.Review(
        name=review.name,
        promotion=f"promotions/{review.promotion}",
        version=review.version,
        digest=review.digest,
        stage=review.stage,
        requester=f"principals/{review.requester}",
        reason=review.reason,
        rules=review.rules,
        state=STATES.to_proto(review.state),
        decisions=[decision_to_proto(decision) for decision in review.decisions],
        create_time=timestamp(review.create_time_us),
        due_time=timestamp(review.expire_time_us),
        end_time=timestamp(review.end_time_us),
    )
