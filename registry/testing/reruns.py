"""Vetting anew, with verdicts as tests want them."""

from __future__ import annotations

from dataclasses import replace

from registry.domain.access import Caller
from registry.domain.inspections import Rerun
from registry.domain.versions import Verdict, Version
from registry.services.vetting import MARKS_EVERY_US
from registry.testing.story import Story


class Judge:
    """Judges as the inspector does, but for versions of which a test says otherwise."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.says: dict[int, Verdict] = {}
        self.inner = story.world.vetting._vetter
        story.world.vetting._vetter = self  # type: ignore[assignment]

    @property
    def rules_digest(self) -> str:
        return self.story.world.inspector.rules_digest

    def vet(self, version: Version, files: object, now_us: int) -> object:
        vetting = self.inner.vet(version, files, now_us)  # type: ignore[arg-type]
        said = self.says.get(version.number)
        return vetting if said is None or vetting is None else replace(vetting, verdict=said)


def rerun(story: Story, caller: Caller, scope: str = "") -> Rerun:
    return story.world.vetting_reports.rerun(caller, scope, everything=not scope)


def run_all(story: Story) -> None:
    """Until all that is marked has its verdict."""
    story.world.clock.advance(MARKS_EVERY_US)
    while story.world.vetting.run_pending(100):
        pass
