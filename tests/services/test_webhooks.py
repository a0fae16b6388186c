"""Webhooks: who may make them, what is kept of them, what the audit log says."""

from __future__ import annotations

import json

import pytest

from registry.domain.access import Caller, Role
from registry.domain.events import Event
from registry.domain.pages import PageRequest
from registry.domain.webhooks import DAY_US, Webhook
from registry.errors import (
    InvalidFieldError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    StaleEtagError,
)
from registry.jobs.secret_box import AesSecretBox
from registry.names import WebhookName
from registry.ports.tables import EventQuery
from registry.services import webhooks as service
from registry.testing.world import World, grant

URL = "https://hooks.example/T0/s3cr3t"


def made(world: World, caller: Caller, pattern: str = "fraud", request_id: str = "") -> Webhook:
    return created(world, caller, pattern, request_id)[0]


def created(
    world: World, caller: Caller, pattern: str = "fraud", request_id: str = ""
) -> tuple[Webhook, str]:
    return world.webhooks.create(
        caller,
        url=URL,
        description="",
        actions=("promotion.",),
        namespace_pattern=pattern,
        request_id=request_id,
    )


def name(webhook: Webhook) -> WebhookName:
    return WebhookName(webhook=webhook.id)


def events(world: World) -> list[Event]:
    query = EventQuery(namespace=None, action="webhook.", oldest_first=True)
    return list(world.database.read(lambda tx: tx.events.list(query, None, 100)))


@pytest.mark.parametrize(
    ("granted", "pattern", "allowed"),
    [
        ("fraud", "fraud", True),
        ("fraud", "fraud*", False),
        ("fraud", "*", False),
        ("f*", "fraud*", True),
        ("f*", "*d", False),
        ("fraud*", "f*", False),
        ("*-eu", "a*-eu", True),
        ("*-eu", "a-eu*", False),
        ("*", "*", True),
        ("**", "*", False),
    ],
)
def test_a_filter_needs_rights_on_all_it_covers(
    world: World, granted: str, pattern: str, allowed: bool
) -> None:
    """No filter shows more than the grants of whoever makes it."""
    caller = world.caller("ann", grant(Role.ADMIN, granted))
    if allowed:
        assert made(world, caller, pattern).namespace_pattern == pattern
        return
    with pytest.raises(PermissionDeniedError):
        made(world, caller, pattern)


def test_a_repeat_finds_the_webhook_and_no_secret(world: World) -> None:
    """The secret is told once; the same request makes no second webhook."""
    caller = world.caller("ann", grant(Role.ADMIN))
    first, secret = created(world, caller, request_id="r1")
    again, nothing = created(world, caller, request_id="r1")
    assert (again, nothing) == (first, "")
    assert secret.startswith("whsec_")


def test_no_secret_is_kept_or_told(world: World) -> None:
    """Neither database nor event nor repr has the secret, nor an event the URL's path."""
    caller = world.caller("ann", grant(Role.ADMIN))
    webhook, secret = created(world, caller)
    _, second = world.webhooks.rotate(caller, name(webhook), overlap_us=None)
    stored = world.database.read(lambda tx: tx.webhooks.get(webhook.id))
    assert stored is not None
    kept = [each.sealed for each in stored.secrets]
    assert [world.box.open(each, of=webhook.id) for each in kept] == [second, secret]
    told = [event.detail_json for event in events(world)]
    assert len(told) == 2
    for text in (*kept, *told, repr(stored)):
        for hidden in (secret, second, "s3cr3t"):
            assert hidden not in text
    assert json.loads(told[0])["origin"] == "https://hooks.example"


def test_who_may_not_write_sees_no_path(world: World) -> None:
    """An auditor reads where a webhook goes, but not the part that lets somebody post there."""
    admin = world.caller("ann", grant(Role.ADMIN))
    auditor = world.caller("eve", grant(Role.AUDITOR))
    webhook = made(world, admin)
    assert world.webhooks.get(admin, name(webhook)).url == URL
    assert world.webhooks.get(auditor, name(webhook)).url == "https://hooks.example"
    (listed,) = world.webhooks.list(auditor, PageRequest()).items
    assert listed.url == "https://hooks.example"


def test_foreign_ones_are_hidden(world: World) -> None:
    """What is there and what is not are refused alike to those without rights on its filter."""
    webhook = made(world, world.caller("ann", grant(Role.ADMIN)))
    other = world.caller("eve", grant(Role.ADMIN, "other"))
    words = set()
    for id in (webhook.id, "0" * 16):
        with pytest.raises(PermissionDeniedError) as caught:
            world.webhooks.get(other, WebhookName(webhook=id))
        words.add(str(caught.value).replace(id, "ID"))
    assert len(words) == 1
    assert world.webhooks.list(other, PageRequest()).items == ()
    with pytest.raises(NotFoundError):
        world.webhooks.get(world.caller("bob", grant(Role.ADMIN)), WebhookName(webhook="0" * 16))


def test_a_deny_inside_a_filter(world: World) -> None:
    """Who is denied one namespace neither makes nor sees a webhook whose filter has it among
    others: its events would reach them."""
    wide = made(world, world.caller("ann", grant(Role.ADMIN)), "*")
    denied = world.caller("eve", grant(Role.ADMIN), grant(Role.ADMIN, "secret", deny=True))
    with pytest.raises(PermissionDeniedError, match="no grant that denies it"):
        made(world, denied, "*")
    with pytest.raises(PermissionDeniedError):
        world.webhooks.get(denied, name(wide))
    assert world.webhooks.list(denied, PageRequest()).items == ()
    narrow = made(world, denied, "fraud-*")
    assert [each.id for each in world.webhooks.list(denied, PageRequest()).items] == [narrow.id]


def test_rotation_overlaps(world: World) -> None:
    """The old secret ends with the overlap, at most five sign, and 0 ends all of them at once."""
    caller = world.caller("ann", grant(Role.ADMIN))
    webhook = made(world, caller)
    now = world.clock.now_us()
    rotated, _ = world.webhooks.rotate(caller, name(webhook), overlap_us=7 * DAY_US)
    assert [each.expire_time_us for each in rotated.secrets] == [None, now + 7 * DAY_US]
    rotated, _ = world.webhooks.rotate(caller, name(webhook), overlap_us=DAY_US)
    ends = [each.expire_time_us for each in rotated.secrets]
    assert ends == [None, now + DAY_US, now + DAY_US]
    for _ in range(5):
        rotated, _ = world.webhooks.rotate(caller, name(webhook), overlap_us=DAY_US)
    assert len(rotated.secrets) == 5
    world.clock.advance(2 * DAY_US)
    rotated, _ = world.webhooks.rotate(caller, name(webhook), overlap_us=DAY_US)
    assert len(rotated.secrets) == 2
    rotated, _ = world.webhooks.rotate(caller, name(webhook), overlap_us=0)
    assert len(rotated.secrets) == 1
    for wrong in (-1, 7 * DAY_US + 1):
        with pytest.raises(InvalidFieldError):
            world.webhooks.rotate(caller, name(webhook), overlap_us=wrong)


def test_changes_are_under_the_etag_and_in_the_log(world: World) -> None:
    """A stale etag changes nothing; each change has its event in the filter's namespace."""
    caller = world.caller("ann", grant(Role.ADMIN))
    webhook = made(world, caller)

    def update(etag: str, *mask: str) -> Webhook:
        return world.webhooks.update(
            caller, name(webhook), url="https://other.example/", description="d",
            actions=(), enabled=False, mask=mask, etag=etag,
        )  # fmt: skip

    changed = update(webhook.etag, "description", "enabled")
    assert (changed.url, changed.description, changed.enabled) == (URL, "d", False)
    with pytest.raises(StaleEtagError):
        update(webhook.etag, "*")
    everything = update(changed.etag, "*")
    assert (everything.url, everything.actions) == ("https://other.example/", ())
    with pytest.raises(StaleEtagError):
        world.webhooks.delete(caller, name(webhook), etag=webhook.etag, validate_only=False)
    for validate_only in (True, False):
        world.webhooks.delete(
            caller, name(webhook), etag=everything.etag, validate_only=validate_only
        )
    told = events(world)
    assert [each.action.partition(".")[2] for each in told] == [
        "create", "update", "update", "delete",
    ]  # fmt: skip
    assert {each.namespace for each in told} == {"fraud"}


@pytest.mark.parametrize(
    "given",
    [
        {"url": "http://hooks.example/s3cr3t"},
        {"url": "https://ann:s3cr3t@hooks.example/"},
        {"url": "https://hooks.example/" + "s3cr3t" * 1000},
        {"namespace_pattern": ""},
        {"namespace_pattern": "f**d"},
        {"namespace_pattern": "Fraud"},
        {"actions": ("PROMOTION",)},
        {"actions": ("%",)},
        {"actions": ("a.",) * 2},
        {"actions": ("stage.moved",)},
        {"actions": ("stage.move.",)},
    ],
)
def test_what_cannot_be(world: World, given: dict[str, object]) -> None:
    """Wrong fields are refused, without showing the URL."""
    caller = world.caller("ann", grant(Role.ADMIN), grant(Role.ADMIN, "f**d"))
    good: dict[str, object] = {
        "url": URL, "description": "", "actions": (), "namespace_pattern": "fraud",
    }  # fmt: skip
    with pytest.raises((InvalidFieldError, PermissionDeniedError)) as caught:
        world.webhooks.create(caller, request_id="", **{**good, **given})  # type: ignore[arg-type]
    assert "s3cr3t" not in str(caught.value)


def test_a_misspelt_action_is_refused(world: World) -> None:
    """Nothing would ever be told of it; what comes nearest is said."""
    caller = world.caller("ann", grant(Role.ADMIN))
    with pytest.raises(InvalidFieldError, match=r"Did you mean stage\.move"):
        world.webhooks.create(
            caller, url=URL, description="", actions=("stage.moved",), namespace_pattern="fraud",
            request_id="",
        )  # fmt: skip


def test_there_is_a_bound(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each webhook costs a look at every event, so there are not endlessly many."""
    monkeypatch.setattr(service, "WEBHOOKS_MAX", 1)
    caller = world.caller("ann", grant(Role.ADMIN))
    made(world, caller)
    with pytest.raises(QuotaError):
        made(world, caller)


def test_no_tenant_takes_all_the_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has one namespace makes so many, and leaves the rest to others."""
    monkeypatch.setattr(service, "WEBHOOKS_EACH_MAX", 1)
    for name in ("ann", "bob"):
        caller = world.caller(name, grant(Role.ADMIN, "fraud"))
        made(world, caller)
        with pytest.raises(QuotaError, match=f"made by principals/{name}"):
            made(world, caller)
    root = world.caller("root", grant(Role.ADMIN))
    made(world, root)
    made(world, root)


def test_the_url_is_stored_sealed(world: World) -> None:
    """The database has scheme and host, and says the rest to nobody without the ticket key."""
    caller = world.caller("ann", grant(Role.ADMIN))
    webhook = made(world, caller)
    assert webhook.url == URL
    stored = world.database.read(lambda tx: tx.webhooks.get(webhook.id))
    assert stored is not None
    assert stored.url.startswith("https://hooks.example#")
    assert "s3cr3t" not in stored.url
    assert stored.origin == webhook.origin
    assert world.webhooks.get(caller, name(webhook)).url == URL
    assert [each.url for each in world.webhooks.list(caller, PageRequest()).items] == [URL]
    assert world.webhooks.rotate(caller, name(webhook), overlap_us=0)[0].url == URL


def test_a_url_sealed_with_another_key_can_be_said_again(world: World) -> None:
    """Only its origin is shown then, and an update mends it."""
    caller = world.caller("ann", grant(Role.ADMIN))
    webhook = made(world, caller)
    other = service.WebhookService(
        database=world.database,
        clock=world.clock,
        sender=world.sender,
        box=AesSecretBox(b"x" * 32),
    )
    assert other.get(caller, name(webhook)).url == "https://hooks.example"
    changed = other.update(
        caller,
        name(webhook),
        url=f"{URL}2",
        description="",
        actions=(),
        enabled=True,
        mask=("url",),
        etag="",
    )
    assert changed.url == f"{URL}2"
    assert other.get(caller, name(webhook)).url == f"{URL}2"
