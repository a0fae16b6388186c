"""Names of versions of other namespaces are shown to those who may read them alone."""

from __future__ import annotations

import dataclasses
import json
from functools import partial

import pytest

from registry.domain.access import Caller, Role
from registry.domain.lineage import LineageEdge
from registry.domain.pages import PageRequest
from registry.domain.scopes import Scope
from registry.domain.versions import LineageKind, Version
from registry.errors import PermissionDeniedError
from registry.names import EventName, ModelName, VersionName
from registry.ports.tables import EventQuery
from registry.services.audit_export import ExportFilter
from registry.testing.story import Story, name_of
from registry.testing.world import grant


@pytest.fixture
def child(story: Story) -> Version:
    """A version of lab/child that was made from two of namespace fraud and one of its own."""
    world = story.world
    bases = [story.push({"a": bytes([n])}) for n in range(2)]
    world.model("lab/child")
    lena = world.caller("lena", grant(Role.REGISTRANT, "lab"), grant(Role.READER, "fraud"))
    own = story.push({"own": b""}, model="lab/child", by=lena)
    made = story.push({"c": b"c"}, model="lab/child", by=lena, bases=(own, *bases))
    assert len(made.spec.bases) == 3
    edge: LineageEdge = world.lineage.create(
        lena, name_of(own), name_of(bases[0]), LineageKind.MERGE
    )
    assert edge.parent == bases[0].name
    return made


def readers(story: Story) -> dict[str, Caller]:
    """Who may read lab, and not fraud, for a reason each."""
    world = story.world
    roles = (Role.READER, Role.SECURITY)
    world.login("both", *(grant(role) for role in roles))
    return {
        "no role": world.caller("rob", *(grant(role, "lab") for role in roles)),
        "denied": world.caller(
            "dan", *(grant(r) for r in roles), *(grant(r, "fraud", deny=True) for r in roles)
        ),
        "scope": world.login("both", scopes=[Scope(action="version.*", model="lab/*")]).caller,
    }


def test_versions_hide_foreign_bases(story: Story, child: Version) -> None:
    """However a version is read, bases that the reader may not read are left out and counted."""
    world, model = story.world, ModelName(path="lab/child")
    own = [f"{child.model_name}/versions/1"]
    for why, reader in readers(story).items():
        seen = [
            world.versions.get(reader, name_of(child)),
            world.references.resolve(reader, model, str(child.number)).version,
            world.versions.list(
                reader, model, state=None, digest="", order_by="", page=PageRequest()
            ).items[0],
        ]
        for version in seen:
            assert [base.version for base in version.spec.bases] == own, why
            assert version.hidden_base_count == 2, why
    both = world.caller("both")
    # Remembered values are shared by all readers, and none sees what another may not.
    assert world.versions.get(both, name_of(child)).hidden_base_count == 0
    assert len(world.versions.get(both, name_of(child)).spec.bases) == 3


def test_yanks_hide_foreign_bases(story: Story, child: Version) -> None:
    """Who may withdraw a version is told no more of its bases than who reads it."""
    reader = readers(story)["no role"]
    planned = story.world.yanks.yank(reader, name_of(child), reason="r", validate_only=True)
    yanked = story.world.yanks.yank(reader, name_of(child), reason="r", validate_only=False)
    again = story.world.yanks.unyank(reader, name_of(child))
    assert {v.hidden_base_count for v in (planned, yanked, again)} == {2}


def test_events_hide_foreign_names(story: Story, child: Version) -> None:
    """The log of a namespace names no version of another that the reader may not read."""
    query = EventQuery(namespace="lab")
    for why in ("no role", "denied"):
        page = story.world.events.list(readers(story)[why], query, "", PageRequest())
        texts = [event.detail_json for event in page.items]
        assert not [text for text in texts if "models/fraud" in text]
        details = {event.action: json.loads(event.detail_json) for event in page.items}
        assert details["lineage.create"]["parent"] == "hidden"
        assert any(json.loads(text).get("hidden_base_count") == 2 for text in texts)
    page = story.world.events.list(story.world.caller("both"), query, "", PageRequest())
    assert sum("models/fraud" in event.detail_json for event in page.items) == 2


def test_walks_hide_foreign_versions(story: Story, child: Version) -> None:
    """A token for one model sees no edge to another, as somebody without a role there does not."""
    for reader in readers(story).values():
        page = story.world.lineage.ancestors(
            reader,
            VersionName(model=ModelName(path="lab/child"), number=child.number),
            depth_max=0,
            page=PageRequest(),
        )
        assert all("fraud" not in edge.parent for edge in page.edges)
        assert page.hidden_count == 3


def test_exports_hide_foreign_names(story: Story, child: Version) -> None:
    """What is sent out of a namespace's log is redacted like its list, and who is denied any
    namespace is sent nothing of all of them."""
    for why in ("no role", "denied"):
        reader = readers(story)[why]
        wanted = ExportFilter(namespace="lab")
        batches = story.world.audit_export.run(reader, wanted, "", lambda: True)
        texts = [event.detail_json for batch in batches for event in batch.events]
        assert texts
        assert not [text for text in texts if "models/fraud" in text]
    denied = story.world.caller(
        "ida", grant(Role.AUDITOR), grant(Role.AUDITOR, "secret", deny=True)
    )
    with pytest.raises(PermissionDeniedError, match="no grant that denies it"):
        story.world.audit_export.run(denied, ExportFilter(namespace=None), "", lambda: True)
    with pytest.raises(PermissionDeniedError, match="no grant that denies it"):
        story.world.audit.create(denied, request_id="")


def test_proofs_name_no_base_that_the_caller_may_not_read(story: Story, child: Version) -> None:
    """A token that is good for the audit log alone gets no proof of such an event."""
    scope = Scope(action="event.read")
    auditor = story.world.caller("ida", grant(Role.AUDITOR))
    narrow = dataclasses.replace(auditor, token=dataclasses.replace(auditor.token, scopes=(scope,)))
    story.world.audit.create(auditor, request_id="")
    query = EventQuery(namespace="lab", action="version.create")
    event = story.world.database.read(lambda tx: tx.events.list(query, None, 1))[0]
    name = EventName(shard=event.shard, number=event.number)
    prove = partial(story.world.audit_proofs.prove_event, checkpoint=0, is_active=lambda: True)
    assert prove(auditor, name).event == event
    with pytest.raises(PermissionDeniedError):
        prove(narrow, name)


def test_webhooks_name_no_base_outside_of_their_namespaces(story: Story, child: Version) -> None:
    """Who administers lab alone has its events sent, and learns no more of fraud by them than from
    the log; a webhook for everything tells everything."""
    world = story.world
    anna = world.caller("anna", grant(Role.ADMIN, "lab"))
    for by, pattern in ((anna, "lab"), (story.root, "*")):
        webhook, _ = world.webhooks.create(
            by,
            url=f"https://hooks.example/{'all' if pattern == '*' else pattern}",
            description="",
            actions=("version.create", "lineage."),
            namespace_pattern=pattern,
            request_id="",
        )
        assert webhook.enabled
    bases = (child, story.push({"d": b"d"}))
    lena = world.login("lena").caller
    made = story.push({"e": b"e"}, model="lab/child", by=lena, bases=bases)
    world.lineage.create(lena, name_of(child), name_of(bases[1]), LineageKind.MERGE)
    while world.webhook_queue.queue_new():
        pass
    for claim in world.webhook_queue.claim(100):
        world.webhook_queue.deliver(claim)
    told = {"lab": "", "all": ""}
    for each in world.sender.received:
        told[each.url.rpartition("/")[2]] += each.body.decode()
    assert made.name in told["lab"]
    assert child.name in told["lab"]
    assert "hidden" in told["lab"]
    assert "models/fraud" not in told["lab"]
    assert "models/fraud" in told["all"]
