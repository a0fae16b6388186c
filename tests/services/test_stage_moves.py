"""Nothing but a promotion or a rollback changes what a stage resolves to."""

from __future__ import annotations

import inspect
import pkgutil
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import registry.services
from registry.db.engine import open_database
from registry.domain.access import Caller, Role
from registry.domain.models import ModelFields
from registry.domain.pages import PageRequest
from registry.domain.promotions import Outcome, Promotion, PromotionState
from registry.domain.references import ReferenceKind
from registry.domain.versions import Dataset, LineageKind, Version
from registry.errors import HallmarkError
from registry.names import (
    AcceptanceName,
    NamespaceName,
    PromotionName,
    ReadinessName,
    ReferenceName,
    ReviewName,
    UploadName,
    VersionName,
    WaiverName,
)
from registry.testing.clock import FixedClock
from registry.testing.story import MODEL, NAME, Story
from registry.testing.world import World, grant, manifest_file

STAGES = ("staging", "production")
#: 1 for the latest version, 2 for the one before.
numbers = st.integers(1, 4)
stages = st.sampled_from(STAGES)
REFERENCES = ("production", "Production", "staging", "best", "main", "v1", "archived")

#: Services whose writes the machine below makes, and those that write nothing about models.
COVERED = {
    "AssessmentQueue",
    "ReadinessService",
    "AcceptanceService",
    "CommitService",
    "DownloadService",
    "EvaluationService",
    "LineageService",
    "ModelService",
    "NamespaceService",
    "PromotionService",
    "ReferenceService",
    "ReleaseService",
    "ReviewService",
    "StageService",
    "TermsService",
    "UploadService",
    "UsageService",
    "VersionService",
    "VettingService",
    "WaiverService",
    "YankService",
}
ELSEWHERE = {
    "AccountKeeper",
    "AuditService",
    "Authenticator",
    "EventService",
    "IdentityService",
    "InspectionService",
    "LoginThrottle",
    "PolicyService",
    "PrincipalService",
    "Reception",
    "ReminderService",
    "TokenService",
    "VettingReports",
    "WebhookDeliveryService",
    "WebhookQueue",
    "WebhookService",
    "WorkloadService",
}


@pytest.fixture(scope="module", autouse=True)
def template() -> Any:
    """A database with all tables, to be copied for each run of the machine."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hallmark.db"
        open_database(f"sqlite:///{path}", clock=FixedClock()).close()
        StageMachine.template = path
        yield


class StageMachine(RuleBasedStateMachine):
    """Makes every write that services offer, in any order, by somebody who may make it."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copyfile(self.template, self.folder / "hallmark.db")
        self.world = World(self.folder)
        self.story = Story(self.world)
        self.almighty = self.world.caller("almighty", *(grant(role) for role in Role))
        self.expected: dict[str, int] = dict.fromkeys(STAGES, 0)

    def teardown(self) -> None:
        self.world.close()
        shutil.rmtree(self.folder)

    def attempt(self, call: Callable[[], Any]) -> Any:
        """What a call gives; None where it is refused."""
        self.world.clock.advance(1_000)
        try:
            return call()
        except HallmarkError:
            return None

    def version(self, number: int) -> VersionName:
        """One of the latest versions; the numbers go on when the model is deleted and made anew."""
        model = self.world.database.read(lambda tx: tx.models.get(MODEL))
        latest = model.latest_version if model else 0
        return VersionName(model=NAME, number=max(1, latest + 1 - number))

    @initialize()
    def begin(self) -> None:
        for number in range(3):
            self.push(bytes([number]), vet=True)

    # -- what may move a stage

    @rule(number=numbers, stage=stages)
    def promote_by_bob(self, number: int, stage: str) -> None:
        self.promote(number, stage, "bob")

    @rule(number=numbers, stage=stages, decider=st.sampled_from(["bob", "alice"]))
    def promote(self, number: int, stage: str, decider: str) -> None:
        """A request and a decision, one of which may be refused."""
        asked: Promotion | None = self.attempt(
            lambda: self.world.promotions.create(
                self.story.alice,
                self.version(number),
                stage=stage,
                note="",
                expected_current=0,
                expire_time_us=None,
                validate_only=False,
                request_id="",
            )
        )
        self.check()
        if asked is not None:
            by = self.almighty if decider == "alice" else self.story.bob
            self.decide(asked, by, Outcome.APPROVE)

    @rule(number=numbers, stage=stages, dry=st.booleans())
    def break_glass(self, number: int, stage: str, dry: bool) -> None:
        done: Promotion | None = self.attempt(
            lambda: self.world.promotions.create(
                self.story.sam,
                self.version(number),
                stage=stage,
                note="down",
                expected_current=0,
                expire_time_us=None,
                validate_only=dry,
                request_id="",
                break_glass=True,
            )
        )
        if done and not dry:
            self.expected[stage] = done.version_number

    @rule(number=st.integers(1, 12), outcome=st.sampled_from(Outcome))
    def decide_on(self, number: int, outcome: Outcome) -> None:
        """A decision on any request that there may be."""
        name = PromotionName(number=number)
        found = self.attempt(lambda: self.world.promotions.get(self.almighty, name))
        if found is not None:
            self.decide(found, self.story.bob, outcome)

    def decide(self, promotion: Promotion, by: Caller, outcome: Outcome) -> None:
        was_pending = promotion.state is PromotionState.PENDING
        done: Promotion | None = self.attempt(
            lambda: self.world.promotions.decide(
                by,
                PromotionName(number=promotion.number),
                outcome=outcome,
                comment="",
                digest=promotion.digest,
                expected_current=0,
            )
        )
        if done and was_pending and done.state is PromotionState.COMPLETED:
            self.expected[done.stage] = done.version_number

    @rule(stage=stages)
    def roll_back_once(self, stage: str) -> None:
        self.roll_back(stage, None, to_empty=False, dry=False)

    @rule(stage=stages, number=st.none() | numbers, to_empty=st.booleans(), dry=st.booleans())
    def roll_back(self, stage: str, number: int | None, to_empty: bool, dry: bool) -> None:
        period = self.attempt(
            lambda: self.world.stages.rollback(
                self.story.dora,
                NAME,
                stage=stage,
                version=None if number is None else self.version(number),
                to_empty=to_empty,
                expected_current=0,
                note="",
                validate_only=dry,
                request_id="",
            )
        )
        if period is not None and not dry:
            self.expected[stage] = period.version_number

    # -- what may not

    @rule(data=st.binary(max_size=2), vet=st.booleans())
    def push(self, data: bytes, vet: bool) -> None:
        made: Version = self.story.push({"a": data})
        if vet:
            self.story.vetted(made)

    @rule(data=st.binary(max_size=2), branch=st.sampled_from(["", *REFERENCES]), cut=st.booleans())
    def commit(self, data: bytes, branch: str, cut: bool) -> None:
        self.attempt(lambda: self.story.commit({"b": data}, branch=branch))
        if cut:
            self.attempt(lambda: self.story.cut(branch or "main"))

    @rule(
        id=st.sampled_from(REFERENCES),
        number=numbers,
        kind=st.sampled_from(ReferenceKind),
    )
    def set_reference(self, id: str, number: int, kind: ReferenceKind) -> None:
        target = str(self.version(number))
        if kind is ReferenceKind.BRANCH:
            found = self.attempt(
                lambda: self.world.versions.get(self.almighty, self.version(number))
            )
            target = f"{NAME}/commits/{found.commit}" if found else target
        self.attempt(
            lambda: self.world.references.set(
                self.almighty,
                ReferenceName(model=NAME, reference=id),
                kind=kind,
                target=target,
                expected_target="",
            )
        )

    @rule(id=st.sampled_from(REFERENCES))
    def delete_reference(self, id: str) -> None:
        name = ReferenceName(model=NAME, reference=id)
        self.attempt(lambda: self.world.references.delete(self.almighty, name, expected_target=""))

    @rule(number=numbers, undo=st.booleans(), dry=st.booleans())
    def yank(self, number: int, undo: bool, dry: bool) -> None:
        name = self.version(number)
        if undo:
            self.attempt(lambda: self.world.yanks.unyank(self.almighty, name))
        else:
            self.attempt(
                lambda: self.world.yanks.yank(self.almighty, name, reason="r", validate_only=dry)
            )

    @rule()
    def vet(self) -> None:
        self.world.vetting.run_pending(100)
        self.world.releases.release_due()

    @rule(number=st.integers(1, 12))
    def withdraw(self, number: int) -> None:
        name = PromotionName(number=number)
        self.attempt(lambda: self.world.promotions.withdraw(self.almighty, name))

    @rule(number=st.integers(1, 6), outcome=st.sampled_from(Outcome))
    def review(self, number: int, outcome: Outcome) -> None:
        name = ReviewName(number=number)
        self.attempt(
            lambda: self.world.reviews.decide(self.story.bob, name, outcome=outcome, comment="")
        )
        self.world.reviews.tell_overdue()

    @rule(number=numbers, outcome=st.sampled_from(Outcome))
    def waive(self, number: int, outcome: Outcome) -> None:
        waivers, target = self.world.waivers, self.version(number)
        asked = self.attempt(
            lambda: waivers.request(
                self.story.alice,
                target,
                rule="METRIC-1",
                reason="r",
                stage="",
                expire_time_us=None,
                request_id="",
            )
        )
        if asked is not None:
            name = WaiverName(number=asked.number)
            self.attempt(
                lambda: waivers.decide(
                    self.story.sam, name, outcome=outcome, comment="", policy_digest=""
                )
            )

    @rule(approval=st.booleans(), outcome=st.sampled_from(Outcome))
    def gate(self, approval: bool, outcome: Outcome) -> None:
        acceptances, sam, rosa = self.world.acceptances, self.story.sam, self.story.rosa
        terms = self.attempt(
            lambda: self.world.terms.set(
                sam,
                NAME,
                label="v1",
                text="t",
                url="",
                validity_days=1,
                approval_required=approval,
                etag="",
            )
        )
        if terms is None:
            return
        asked = self.attempt(
            lambda: acceptances.request(
                rosa, NAME, terms_digest=terms.digest, reason="r", on_behalf_of=""
            )
        )
        if asked is not None:
            name = AcceptanceName(number=asked.number)
            self.attempt(lambda: acceptances.decide(sam, name, outcome=outcome, comment=""))
        self.attempt(lambda: self.world.terms.clear(sam, NAME, etag=""))

    @rule(days=st.integers(1, 20))
    def expire(self, days: int) -> None:
        self.world.clock.advance(days * 24 * 3600 * 1_000_000)
        self.world.promotions.expire_overdue()

    @rule(child=numbers, parent=numbers, undo=st.booleans())
    def lineage(self, child: int, parent: int, undo: bool) -> None:
        ends = (self.version(child), self.version(parent))
        if undo:
            self.attempt(lambda: self.world.lineage.delete(self.almighty, *ends))
        else:
            self.attempt(lambda: self.world.lineage.create(self.almighty, *ends, LineageKind.MERGE))

    @rule(number=numbers)
    def evaluate(self, number: int) -> None:
        self.attempt(
            lambda: self.world.evaluations.add(
                self.almighty,
                self.version(number),
                evaluation="e",
                metrics=(("a", 1.0),),
                dataset=Dataset(name="d", digest="sha256:" + "0" * 64),
                tool="",
                request_id="",
            )
        )

    @rule(description=st.text(alphabet="ab", max_size=2))
    def update_model(self, description: str) -> None:
        self.attempt(
            lambda: self.world.models.update(
                self.almighty,
                NAME,
                ModelFields(description=description),
                mask=["description"],
                etag="",
            )
        )

    @rule(chance=st.integers(0, 5))
    def delete_model(self, chance: int) -> None:
        """Refused while a stage holds anything; else the model is made anew."""
        self.attempt(
            lambda: self.world.models.delete(self.almighty, NAME, etag="", validate_only=chance > 0)
        )
        if self.world.database.read(lambda tx: tx.models.get(MODEL)) is None:
            self.attempt(
                lambda: self.world.models.create(
                    self.almighty, "fraud", "scorer", ModelFields(), request_id=""
                )
            )

    @rule()
    def claims(self) -> None:
        self.attempt(
            lambda: self.world.namespaces.delete(
                self.almighty, NamespaceName(namespace="fraud"), etag="", validate_only=False
            )
        )

    @rule(like=st.booleans())
    def usage(self, like: bool) -> None:
        call = self.world.usage.like if like else self.world.usage.unlike
        self.attempt(lambda: call(self.almighty, NAME))

    @rule(data=st.binary(min_size=1, max_size=2), end=st.booleans())
    def upload(self, data: bytes, end: bool) -> None:
        opened = self.attempt(
            lambda: self.world.uploads.create(
                self.story.alice, NAME, [manifest_file("a", data)], upload=None, request_id=""
            )
        )
        if opened and end:
            name = UploadName(upload=opened.upload.id)
            self.attempt(lambda: self.world.uploads.delete(self.story.alice, name))

    @rule(number=numbers)
    def download(self, number: int) -> None:
        self.attempt(
            lambda: self.world.downloads.create(
                self.almighty, self.version(number), digest="", paths=()
            )
        )

    @rule(number=numbers)
    def readiness(self, number: int) -> None:
        name = ReadinessName(version=self.version(number), release="25.10")
        self.attempt(lambda: self.world.readiness.assess(self.almighty, name))
        for claim in self.world.assessments.claim(1):
            self.world.assessments.assess(claim)

    # -- what holds throughout

    @invariant()
    def check(self) -> None:
        """Every way to ask for a stage gives what the last promotion or rollback left in it."""
        for stage, number in self.expected.items():
            resolved = self.attempt(
                partial(self.world.references.resolve, self.story.rosa, NAME, stage)
            )
            assert (resolved.version.number if resolved else 0) == number, stage
            assert self.story.in_stage(stage) == number
            holders = [v.number for v in self.story.versions() if stage in v.stages]
            assert holders == ([number] if number else [])
        listed = self.world.references.list(
            self.story.rosa, NAME, kind=ReferenceKind.STAGE, page=PageRequest()
        )
        assert {reference.id for reference in listed.items} == {
            stage for stage, number in self.expected.items() if number
        }


TestStages: Any = pytest.mark.slow(StageMachine.TestCase)
TestStages.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def services() -> dict[str, str]:
    """Source text of each class of the services, by name."""
    found: dict[str, str] = {}
    for module in pkgutil.iter_modules(registry.services.__path__):
        loaded = import_module(f"registry.services.{module.name}")
        for name, member in inspect.getmembers(loaded, inspect.isclass):
            if member.__module__ == loaded.__name__:
                found[name] = inspect.getsource(member)
    return found


@pytest.mark.slow
def test_all_writing_services_are_tried() -> None:
    """Each service that writes is among those that the machine tries, or writes elsewhere."""
    writing = {name for name, source in services().items() if "database.write(" in source}
    assert writing <= COVERED | ELSEWHERE, "let the machine above try its writes too"


def test_only_stages_move_stages() -> None:
    """No other module of the services calls what moves a stage."""
    folder = Path(registry.services.__path__[0])
    callers = {
        path.name
        for path in folder.glob("*.py")
        if any(call in path.read_text() for call in ("stages.move(", "stages.clear("))
    }
    assert callers == {"stages.py"}
