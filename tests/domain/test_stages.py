"""What a rollback goes back to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from registry.domain.promotions import StagePeriod
from registry.domain.stages import before, last_of


@dataclass
class Stage:
    """A stage as the service moves it; the history is newest first."""

    history: list[StagePeriod] = field(default_factory=list)

    @property
    def current(self) -> int | None:
        return self.history[0].version_number if self.history and self.is_open else None

    @property
    def is_open(self) -> bool:
        return self.history[0].end_time_us is None

    def move(self, number: int, *, rollback: bool = False) -> None:
        period = StagePeriod(
            key=len(self.history) + 1,
            model="fraud/scorer",
            version_key=number,
            version_number=number,
            digest="",
            stage="production",
            start_time_us=len(self.history),
            end_time_us=None,
            promotion=len(self.history) + 1,
            mover="alice",
            note="",
            rollback=rollback,
            previous_number=self.current,
        )
        self.empty()
        self.history.insert(0, period)

    def empty(self) -> None:
        if self.history and self.is_open:
            self.history[0] = replace(self.history[0], end_time_us=1)

    def roll_back(self) -> int | None:
        """The version that came back, None where the call fails."""
        target = before(self.history)
        if target is None:
            return None
        self.move(target.version_number, rollback=True)
        return target.version_number


def promoted(*numbers: int) -> Stage:
    stage = Stage()
    for number in numbers:
        stage.move(number)
    return stage


def test_rollbacks_walk_back() -> None:
    """After 5, 6 and 8 the first rollback goes to 6, the second to 5, the third fails."""
    stage = promoted(5, 6, 8)
    assert [stage.roll_back() for _ in range(3)] == [6, 5, None]


def test_promotion_after_rollback() -> None:
    """A version promoted after a rollback comes on top of what the rollback brought back."""
    stage = promoted(5, 6, 8)
    stage.roll_back()
    stage.move(9)
    assert [stage.roll_back() for _ in range(3)] == [6, 5, None]


def test_rollback_by_number() -> None:
    """A rollback over several versions leaves all of them behind."""
    stage = promoted(5, 6, 8, 9)
    stage.move(6, rollback=True)
    assert [stage.roll_back() for _ in range(2)] == [5, None]


def test_rollback_forward_by_number() -> None:
    """A version that a rollback had left counts as fresh when it is named again."""
    stage = promoted(5, 6, 8)
    stage.roll_back()
    stage.move(8, rollback=True)
    assert [stage.roll_back() for _ in range(2)] == [5, None]


def test_emptied_stage() -> None:
    """What was left when a stage was emptied does not count as before."""
    stage = promoted(5, 6, 8)
    stage.empty()
    assert [stage.roll_back() for _ in range(3)] == [6, 5, None]


def test_promotion_into_an_emptied_stage() -> None:
    """What comes into an emptied stage lies on top of what was below the version left."""
    stage = promoted(5, 6)
    stage.empty()
    stage.move(9)
    assert [stage.roll_back() for _ in range(2)] == [5, None]


def test_nothing_before() -> None:
    """A stage that was never set, or has held one version only, has nothing before."""
    assert before([]) is None
    assert before(promoted(5).history) is None


def test_a_version_twice() -> None:
    """A version that was promoted twice is left as often."""
    stage = promoted(5, 6, 5)
    assert [stage.roll_back() for _ in range(3)] == [6, 5, None]


def test_last_of() -> None:
    """The newest period of a version carries the promotion in which it was last decided on."""
    stage = promoted(5, 6, 5)
    period = last_of(stage.history, 5)
    assert period is not None
    assert period.promotion == 3
    assert last_of(stage.history, 7) is None


moves = st.lists(
    st.one_of(
        st.integers(1, 6),
        st.sampled_from(["back", "empty"]),
        st.tuples(st.just("to"), st.integers(1, 6)),
    ),
    max_size=40,
)


@given(moves)
def test_law_promotion_then_rollback(steps: list[int | str | tuple[str, int]]) -> None:
    """A rollback right after a promotion brings back what the promotion replaced, and rollbacks
    come to an end after at most as many steps as there were promotions."""
    stage = Stage()
    for step in steps:
        _step(stage, step)
    current = stage.current
    if current is not None:
        stage.move(100)
        assert stage.roll_back() == current
    ends = 0
    while stage.roll_back() is not None:
        ends += 1
    assert ends <= len(steps) + 1


@given(moves)
def test_law_rollback_goes_to_what_was_there(steps: list[int | str | tuple[str, int]]) -> None:
    """A rollback only ever brings back a version that was there before, and never the same."""
    stage = Stage()
    for step in steps:
        _step(stage, step)
        target = before(stage.history)
        if target is not None:
            assert target in stage.history[1:] or not stage.is_open
            assert not target.rollback or last_of(stage.history, target.version_number)
            assert target.version_number != stage.current


def _step(stage: Stage, step: int | str | tuple[str, int]) -> None:
    if isinstance(step, int):
        if step != stage.current:
            stage.move(step)
    elif step == "back":
        stage.roll_back()
    elif step == "empty":
        stage.empty()
    elif isinstance(step, tuple) and step[1] != stage.current and last_of(stage.history, step[1]):
        stage.move(step[1], rollback=True)
