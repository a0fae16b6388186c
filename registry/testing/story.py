"""People and the steps they take with a model, for tests that are about something else."""

from __future__ import annotations

from collections.abc import Mapping

from registry.domain.access import Caller, Role
from registry.domain.commits import Commit
from registry.domain.manifests import ManifestFile
from registry.domain.pages import PageRequest
from registry.domain.promotions import Outcome, Promotion
from registry.domain.versions import Base, LineageKind, Version, VersionSpec
from registry.names import ModelName, PolicyChangeName, PromotionName, VersionName
from registry.ports.tables import EventQuery
from registry.services.commits import Change
from registry.services.sources import Source
from registry.testing.policies import shipped_files
from registry.testing.world import World, grant, manifest_file

MODEL = "fraud/scorer"
NAME = ModelName(path=MODEL)


class Story:
    """Namespace fraud with model fraud/scorer, and those who work on it.

    alice and ann register, bob and ben review, dora deploys, rosa reads, sam secures, root
    administers. mallory has every role, on another namespace.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        world.model(MODEL)
        self.alice = world.caller("alice", grant(Role.REGISTRANT, "fraud"))
        self.ann = world.caller("ann", grant(Role.REGISTRANT, "fraud"))
        self.bob = world.caller("bob", grant(Role.REVIEWER, "fraud"))
        self.ben = world.caller("ben", grant(Role.REVIEWER, "fraud"))
        self.dora = world.caller("dora", grant(Role.DEPLOYER, "fraud"))
        self.rosa = world.caller("rosa", grant(Role.READER, "fraud"))
        self.sam = world.caller("sam", grant(Role.SECURITY, "fraud"))
        self.root = world.caller("root", grant(Role.ADMIN))
        self.mallory = world.caller("mallory", *(grant(role, "other") for role in Role))

    def send(self, files: Mapping[str, bytes], *, namespace: str = "fraud") -> Source:
        """Files whose bytes were sent to a namespace."""
        for data in files.values():
            self.world.store(data)
        named: tuple[ManifestFile, ...] = tuple(
            manifest_file(path, data) for path, data in files.items()
        )
        sha256s = {file.sha256 for file in named}
        self.world.database.write(lambda tx: tx.blob_grants.add(namespace, sha256s))
        return Source(files=named)

    def session(self, files: Mapping[str, bytes], *, complete: bool = True) -> str:
        """An upload session of alice's; its id."""
        if complete:
            self.send(files)
        named = [manifest_file(path, data) for path, data in files.items()]
        opened = self.world.uploads.create(self.alice, NAME, named, upload=None, request_id="")
        return opened.upload.id

    def create(
        self,
        source: Source,
        *,
        model: ModelName = NAME,
        by: Caller | None = None,
        spec: VersionSpec | None = None,
        message: str = "",
        request_id: str = "",
    ) -> Version:
        return self.world.versions.create(
            by or self.alice,
            model,
            source=source,
            spec=spec or VersionSpec(),
            message=message,
            request_id=request_id,
        )

    def push(
        self,
        files: Mapping[str, bytes] | None = None,
        *,
        model: str = MODEL,
        spec: VersionSpec | None = None,
        bases: tuple[Version, ...] = (),
        by: Caller | None = None,
    ) -> Version:
        """A version in quarantine, registered by alice."""
        name = ModelName(path=model)
        declared = tuple(Base(version=base.name, kind=LineageKind.FINETUNE) for base in bases)
        source = self.send(files or {"weights.txt": b"weights"}, namespace=name.namespace)
        return self.create(source, model=name, spec=spec or VersionSpec(bases=declared), by=by)

    def commit(
        self,
        files: Mapping[str, bytes],
        *,
        by: Caller | None = None,
        branch: str = "",
        expected_head: str = "",
        deleted: tuple[str, ...] = (),
        replace_tree: bool = False,
        message: str = "change",
        request_id: str = "",
    ) -> Commit:
        change = Change(source=self.send(files), deleted_paths=deleted, replace_tree=replace_tree)
        return self.world.commits.create(
            by or self.alice,
            NAME,
            branch=branch,
            expected_head=expected_head,
            change=change,
            message=message,
            request_id=request_id,
        )

    def cut(self, revision: str, *, by: Caller | None = None, request_id: str = "") -> Version:
        return self.world.versions.cut(
            by or self.alice,
            NAME,
            revision=revision,
            spec=VersionSpec(),
            request_id=request_id,
        )

    def released(self, files: Mapping[str, bytes] | None = None) -> Version:
        """A version that has passed vetting and the release gate."""
        return self.vetted(self.push(files))

    def vetted(self, version: Version) -> Version:
        """The version, after all that waits was vetted."""
        while self.world.vetting.run_pending(100):
            pass
        return self.now(version)

    def now(self, version: Version) -> Version:
        found = self.world.database.read(lambda tx: tx.versions.get(version.model, version.number))
        assert found is not None
        return found

    def versions(self) -> tuple[Version, ...]:
        page = self.world.versions.list(
            self.rosa, NAME, state=None, digest="", order_by="", page=PageRequest(size=1000)
        )
        return page.items

    def is_empty(self) -> bool:
        """The model has no version, no branch and no event of its own."""
        references = self.world.references.list(self.rosa, NAME, kind=None, page=PageRequest())
        query = EventQuery(namespace="fraud")
        events = self.world.database.read(lambda tx: tx.events.list(query, None, 10))
        return not (self.versions() or references.items or events)

    def ask(self, version: Version, stage: str = "production", *, expected: int = 0) -> Promotion:
        """A request by alice."""
        return self.world.promotions.create(
            self.alice,
            name_of(version),
            stage=stage,
            note="please",
            expected_current=expected,
            expire_time_us=None,
            validate_only=False,
            request_id="",
        )

    def approve(self, promotion: Promotion, *, expected: int = 0) -> Promotion:
        """A yes by bob."""
        return self.world.promotions.decide(
            self.bob,
            PromotionName(number=promotion.number),
            outcome=Outcome.APPROVE,
            comment="",
            digest=promotion.digest,
            expected_current=expected,
        )

    def promote(self, version: Version, stage: str = "production") -> Promotion:
        return self.approve(self.ask(version, stage))

    def in_stage(self, stage: str = "production", model: str = MODEL) -> int:
        """The number of the version in a stage, 0 for none."""
        period = self.world.database.read(lambda tx: tx.stages.current(model, stage))
        return period.version_number if period else 0


def name_of(version: Version) -> VersionName:
    return VersionName(model=ModelName(path=version.model), number=version.number)


def set_settings(world: World, shipped: str, wanted: str) -> None:
    """A policy set that differs from the shipped one in a text of its settings alone; two people
    make it the active one."""
    content = dict(shipped_files())
    assert shipped.encode() in content["settings.yaml"], shipped
    content["settings.yaml"] = content["settings.yaml"].replace(shipped.encode(), wanted.encode())
    asker, decider = (world.caller(fresh, grant(Role.ADMIN)) for fresh in ("adam", "ada"))
    change = world.policies.propose(
        asker, list(content.items()), note=wanted, validate_only=False, request_id=""
    )
    world.policies.decide(
        decider,
        PolicyChangeName(number=change.number),
        outcome=Outcome.APPROVE,
        digest=change.digest,
        comment="",
    )
