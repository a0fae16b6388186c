"""What the reviews of a Database have to pass."""

from __future__ import annotations

from dataclasses import replace

from registry.domain.access import Reach
from registry.domain.promotions import Promotion, PromotionState
from registry.domain.reviews import Review, ReviewState
from registry.ports.database import Database
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    a_promotion,
    add_model,
    add_version,
    all_pages,
)
from registry.testing.contracts.database.waivers import WORD

DUE = T0 + 1_000


def broken(database: Database, namespace: str = "fraud") -> Promotion:
    """A promotion that moved its stage without decisions."""
    asked = a_promotion(add_version(database, add_model(database, namespace)))
    done = replace(asked, state=PromotionState.COMPLETED, end_time_us=T0, break_glass=True)
    return database.write(lambda tx: tx.promotions.insert(done))


def a_review(promotion: Promotion) -> Review:
    """To be inserted: due at DUE."""
    return Review(
        number=0,
        promotion=promotion.number,
        model_key=promotion.model_key,
        version_key=promotion.version_key,
        model=promotion.model,
        namespace=promotion.namespace,
        version_number=promotion.version_number,
        digest=promotion.digest,
        stage=promotion.stage,
        requester="sam",
        reason="production ist aus",
        rules=("FOUR-EYES", "N-OF-M"),
        state=ReviewState.PENDING,
        decisions=(WORD,),
        create_time_us=T0,
        expire_time_us=DUE,
        overdue_time_us=None,
        end_time_us=None,
    )


def add(database: Database, review: Review) -> Review:
    return database.write(lambda tx: tx.reviews.insert(review))


class ReviewsContract:
    def test_a_review_is_kept_whole(self, database: Database) -> None:
        """A review comes back as it was put in, with its number; its promotion says why."""
        promotion = broken(database)
        review = a_review(promotion)
        stored = add(database, review)
        assert stored == replace(review, number=stored.number)
        assert database.read(lambda tx: tx.reviews.get(stored.number)) == stored
        assert database.write(lambda tx: tx.reviews.lock(stored.number)) == stored
        assert database.read(lambda tx: tx.reviews.get(4711)) is None
        number = promotion.number
        assert database.read(lambda tx: tx.reviews.of_promotion(number)) == stored
        assert database.read(lambda tx: tx.reviews.of_promotion(4711)) is None
        assert database.read(lambda tx: tx.promotions.get(promotion.number)) == promotion
        assert promotion.break_glass

    def test_a_state_comes_with_its_decisions(self, database: Database) -> None:
        """State, decisions and end are stored together, and all else stays."""
        stored = add(database, a_review(broken(database)))
        words = (WORD, replace(WORD, decider="alan"))
        database.write(
            lambda tx: tx.reviews.set_state(
                stored.number, ReviewState.UPHELD, decisions=words, end_time_us=T0 + 5
            )
        )
        assert database.read(lambda tx: tx.reviews.get(stored.number)) == replace(
            stored, state=ReviewState.UPHELD, decisions=words, end_time_us=T0 + 5
        )

    def test_lists_by_every_filter(self, database: Database) -> None:
        """Lists go from the newest down, in pages, by model, namespace and state."""
        first, other = broken(database), broken(database, "risk")
        upheld = replace(a_review(first), state=ReviewState.UPHELD, end_time_us=T0)
        put = [
            add(database, a_review(first)),
            add(database, a_review(other)),
            add(database, upheld),
        ]
        order = [review.number for review in put]

        def found(
            *,
            patterns: tuple[str, ...] = ("*",),
            model: str = "",
            state: ReviewState | None = None,
        ) -> list[int]:
            listed = all_pages(
                lambda after: database.read(
                    lambda tx: tx.reviews.list(
                        reach=Reach(allowed=tuple(patterns)),
                        model=model,
                        state=state,
                        after=after,
                        limit=2,
                    )
                ),
                lambda review: (review.number,),
                size=2,
            )
            return [order.index(review.number) for review in listed]

        assert found() == [2, 1, 0]
        assert found(model=other.model) == [1]
        assert found(patterns=("fr*",)) == [2, 0]
        assert found(patterns=()) == []
        assert found(state=ReviewState.UPHELD) == [2]
        assert found(state=ReviewState.REJECTED) == []

    def test_overdue_ones(self, database: Database) -> None:
        """Pending ones that are due are found until they are marked; by person as long as they
        are pending."""
        promotion = broken(database)
        first = add(database, a_review(promotion))
        later = add(database, replace(a_review(promotion), expire_time_us=DUE + 5))
        add(database, replace(a_review(promotion), state=ReviewState.REJECTED, end_time_us=T0))

        def overdue(now_us: int) -> list[int]:
            found = database.read(lambda tx: tx.reviews.overdue(now_us, 10))
            return [review.number for review in found]

        def of_sam(now_us: int) -> int:
            found = database.read(lambda tx: tx.reviews.overdue_of("sam", now_us))
            return found.number if found else 0

        assert (overdue(DUE - 1), of_sam(DUE - 1)) == ([], 0)
        assert (overdue(DUE + 5), of_sam(DUE + 5)) == ([first.number, later.number], first.number)
        database.write(lambda tx: tx.reviews.mark_overdue(first.number, DUE + 1))
        assert (overdue(DUE + 5), of_sam(DUE + 5)) == ([later.number], first.number)
        assert database.read(lambda tx: tx.reviews.overdue_of("bob", DUE + 5)) is None
        marked = database.read(lambda tx: tx.reviews.get(first.number))
        assert marked == replace(first, overdue_time_us=DUE + 1)

    def test_goes_with_its_model(self, database: Database) -> None:
        """A deleted model takes its reviews along."""
        promotion = broken(database)
        review = add(database, a_review(promotion))
        database.write(lambda tx: tx.models.delete(promotion.model_key))
        assert database.read(lambda tx: tx.reviews.get(review.number)) is None
