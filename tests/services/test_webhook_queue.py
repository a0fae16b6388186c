"""From an event to a receiver, whatever dies on the way."""

from __future__ import annotations

import json

import pytest

from registry.domain.access import Caller, Role
from registry.domain.event_kinds import KINDS
from registry.domain.events import EventDraft
from registry.domain.pages import PageRequest
from registry.domain.webhooks import DAY_US, SECOND_US, Answer, Delivery, DeliveryState, Webhook
from registry.errors import InvalidFieldError, NotFoundError, TooLargeError
from registry.jobs.secret_box import AesSecretBox
from registry.names import EventName, WebhookDeliveryName, WebhookName
from registry.services import webhook_deliveries, webhook_queue
from registry.services.webhook_deliveries import EventRange, TimeRange
from registry.services.webhook_queue import LEASE_US, WebhookQueue
from registry.services.webhook_shares import SENT_AT_ONCE
from registry.testing.webhooks import said
from registry.testing.world import World, grant


@pytest.fixture
def admin(world: World) -> Caller:
    return world.caller("ann", grant(Role.ADMIN))


def make(world: World, admin: Caller, pattern: str = "fraud", *actions: str) -> Webhook:
    return world.webhooks.create(
        admin, url="https://hooks.example/", description="", actions=actions or ("model.",),
        namespace_pattern=pattern, request_id="",
    )[0]  # fmt: skip


def happen(world: World, *namespaces: str, action: str = "model.create") -> None:
    for namespace in namespaces:
        draft = EventDraft(
            action=action, resource="models/x/y", namespace=namespace, actor="system"
        )
        world.database.write(lambda tx, draft=draft: tx.events.append(draft))  # type: ignore[misc]


def run(world: World, queue: WebhookQueue | None = None) -> int:
    """Send what is due; how many requests that took."""
    queue = queue or world.webhook_queue
    while queue.queue_new():
        pass
    claims = queue.claim(100)
    for claim in claims:
        queue.deliver(claim)
    return len(claims)


def log(world: World, admin: Caller, webhook: Webhook) -> list[Delivery]:
    name = WebhookName(webhook=webhook.id)
    return list(world.webhook_deliveries.list(admin, name, PageRequest(size=1000)).items)


def received(world: World) -> list[str]:
    return [each.headers["webhook-id"] for each in world.sender.received]


def test_each_fitting_event_is_sent_once(world: World, admin: Caller) -> None:
    """From the webhook's creation on; nothing of other namespaces, nothing twice."""
    happen(world, "fraud")
    webhook = make(world, admin)
    happen(world, "fraud", "other", "fraud-eu", "", "fraud")
    happen(world, "fraud", action="version.create")
    assert run(world) == 2
    assert run(world) == 0
    told = [json.loads(each.body)["data"] for each in world.sender.received]
    assert [(each["namespace"], each["action"]) for each in told] == [("fraud", "model.create")] * 2
    assert len(set(received(world))) == 2
    assert {each.state for each in log(world, admin, webhook)} == {DeliveryState.DELIVERED}


@pytest.mark.slow
def test_every_kind_of_event_can_be_asked_for_and_arrives(world: World, admin: Caller) -> None:
    """Each by a webhook of its own, and all by one without actions."""
    wanted = {make(world, admin, "*", kind).id: kind for kind in KINDS}
    everything = world.webhooks.create(
        admin, url="https://hooks.example/", description="", actions=(),
        namespace_pattern="*", request_id="",
    )[0]  # fmt: skip
    for kind in KINDS:
        happen(world, "fraud", action=kind)
    while run(world):
        pass
    told: dict[str, set[str]] = {}
    for each in world.sender.received:
        webhook = each.headers["webhook-id"].split("_")[1]
        told.setdefault(webhook, set()).add(json.loads(each.body)["type"])
    assert told.pop(everything.id) == KINDS.keys()
    for id, kind in wanted.items():
        assert told[id] == {each for each in KINDS if each.startswith(kind)}


def test_everything_means_registry_wide_events_too(world: World, admin: Caller) -> None:
    """The filter "*" gets the events of all namespaces and of none."""
    make(world, admin, "*")
    happen(world, "a", "b", "", "c")
    assert run(world) == 4


def test_a_long_way_behind(world: World, admin: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is, all of it is found, a page at a time."""
    monkeypatch.setattr(webhook_queue, "ROWS", 3)
    make(world, admin, "*")
    happen(world, *"abcabcabcaaaaaaa")
    happen(world, *"aaaa", action="version.create")
    happen(world, "a")
    total = 0
    while sent := run(world):
        total += sent
    assert total == 17


def test_pauses_grow_until_it_is_given_up(world: World, admin: Caller) -> None:
    """Tried at 10 s, 20 s, 40 s ... under one id; after three days it has failed, and so has the
    webhook, which is disabled with an event."""
    webhook = make(world, admin)
    world.sender.answer = lambda _: said(500)
    happen(world, "fraud")
    start = world.clock.now_us()
    assert run(world) == 1
    times = []
    while (one := log(world, admin, webhook)[0]).state is DeliveryState.PENDING:
        world.clock.advance(one.next_attempt_us - world.clock.now_us() - 1)
        assert run(world) == 0
        world.clock.advance(1)
        assert run(world) == 1
        times.append((world.clock.now_us() - start) // SECOND_US)
    assert times[:4] == [10, 30, 70, 150]
    assert 3 * DAY_US <= world.clock.now_us() - start <= 3 * DAY_US + 6 * 3600 * SECOND_US
    assert len(set(received(world))) == 1
    assert one.state is DeliveryState.FAILED
    found = world.webhooks.get(admin, WebhookName(webhook=webhook.id))
    assert (found.enabled, "nothing could be delivered" in found.disable_reason) == (False, True)
    assert disables(world) == 1
    assert found.etag != webhook.etag


def disables(world: World) -> int:
    from registry.ports.tables import EventQuery

    query = EventQuery(namespace="fraud", action="webhook.disable")
    return len(world.database.read(lambda tx: tx.events.list(query, None, 10)))


def test_gone_disables_at_once(world: World, admin: Caller) -> None:
    """After 410 nothing more is sent, and enabling it again begins with what happens from then."""
    webhook = make(world, admin)
    name = WebhookName(webhook=webhook.id)
    world.sender.answer = lambda _: said(410)
    happen(world, "fraud")
    assert run(world) == 1
    assert disables(world) == 1
    happen(world, "fraud")
    assert run(world) == 0
    world.sender.answer = lambda _: said(204)
    world.webhooks.update(
        admin, name, url="", description="", actions=(), enabled=True, mask=["enabled"], etag=""
    )
    assert run(world) == 0
    happen(world, "fraud")
    assert run(world) == 1


def test_a_success_ends_the_failing(world: World, admin: Caller) -> None:
    """While it fails one is tried at a time; when one arrives, all go again."""
    webhook = make(world, admin)
    world.sender.answer = lambda _: said(503)
    happen(world, *["fraud"] * 6)
    assert run(world) == 4
    assert run(world) == 1
    world.sender.answer = lambda _: said(200)
    assert run(world) == 1
    world.clock.advance(60 * SECOND_US)
    assert run(world) == 4
    assert run(world) == 1
    states = {each.state for each in log(world, admin, webhook)}
    assert states == {DeliveryState.DELIVERED}


@pytest.mark.slow
def test_slow_receivers_leave_room_for_quick_ones(world: World, admin: Caller) -> None:
    """Forty that take nine seconds to say yes, each with a queue, do not hold up one that is
    quick."""
    slow = [f"slow-{number}" for number in range(40)]
    for name in slow:
        make(world, admin, name)
    quick = make(world, admin)
    world.sender.answer = lambda each: Answer(
        status=204, error="", duration_ms=9_000 if b'"namespace":"slow' in each.body else 5
    )
    happen(world, "fraud", *slow)
    while run(world):
        pass
    happen(world, *slow * 3, "fraud")
    world.webhook_queue.queue_new()
    claims = world.webhook_queue.claim(SENT_AT_ONCE)
    assert quick.id in {claim.delivery.webhook for claim in claims}
    assert len(claims) < SENT_AT_ONCE


def test_who_dies_in_delivery_leaves_it_to_be_repeated(world: World, admin: Caller) -> None:
    """What was claimed and never recorded comes again when the lease ends, with the same id."""
    webhook = make(world, admin)
    happen(world, "fraud")
    world.webhook_queue.queue_new()
    (lost,) = world.webhook_queue.claim(10)
    assert run(world) == 0
    world.clock.advance(LEASE_US)
    assert run(world) == 1
    world.webhook_queue.deliver(lost)
    assert received(world) == [lost.delivery.message_id] * 2
    (one,) = log(world, admin, webhook)
    assert (one.state, len(one.attempts)) == (DeliveryState.DELIVERED, 1)


def test_a_webhook_that_is_deleted_meanwhile_gets_nothing(world: World, admin: Caller) -> None:
    """A claim on what is gone ends quietly."""
    webhook = make(world, admin)
    happen(world, "fraud")
    world.webhook_queue.queue_new()
    (claim,) = world.webhook_queue.claim(10)
    world.webhooks.delete(admin, WebhookName(webhook=webhook.id), etag="", validate_only=False)
    world.webhook_queue.deliver(claim)
    assert received(world) == []


def test_secrets_of_another_key_are_told_in_the_log(world: World, admin: Caller) -> None:
    """Where the ticket key was replaced nothing is sent unsigned; the log says what to do."""
    webhook = make(world, admin)
    happen(world, "fraud")
    queue = WebhookQueue(
        database=world.database, clock=world.clock, sender=world.sender,
        box=AesSecretBox(b"x" * 32),
    )  # fmt: skip
    assert run(world, queue) == 1
    assert received(world) == []
    assert "hallmark webhook rotate" in log(world, admin, webhook)[0].attempts[0].error


def test_a_test_is_sent_once_also_when_disabled(world: World, admin: Caller) -> None:
    """It is no event of the log, is not repeated, and is told in the deliveries."""
    webhook = make(world, admin)
    name = WebhookName(webhook=webhook.id)
    world.webhooks.update(
        admin, name, url="", description="", actions=(), enabled=False, mask=["enabled"], etag=""
    )
    world.sender.answer = lambda _: said(500)
    queued = world.webhook_deliveries.test(admin, name)
    assert run(world) == 1
    assert json.loads(world.sender.received[0].body)["type"] == "webhook.test"
    (one,) = log(world, admin, webhook)
    assert (one.name, one.state) == (queued.name, DeliveryState.FAILED)
    assert (one.event, one.attempts[0].status) == ("", 500)


def test_replays(world: World, admin: Caller) -> None:
    """One, or those of a time or of a shard that fit, go again under their ids."""
    happen(world, "fraud")
    start = world.clock.now_us()
    world.clock.advance(1)
    webhook = make(world, admin)
    happen(world, "fraud", "other", "fraud")
    assert run(world) == 2
    name = WebhookName(webhook=webhook.id)
    first, second = reversed(log(world, admin, webhook))
    replay = world.webhook_deliveries
    one = WebhookDeliveryName(webhook=name, delivery=first.id)
    assert replay.replay_one(admin, name, one) == 1
    assert run(world) == 1
    assert received(world)[-1] == first.message_id
    assert replay.replay_range(admin, name, TimeRange(start_us=start + 1, end_us=None)) == 0
    world.clock.advance(1)
    assert replay.replay_range(admin, name, TimeRange(start_us=start + 1, end_us=None)) == 2
    assert replay.replay_range(admin, name, TimeRange(start_us=start, end_us=None)) == 3
    assert run(world) == 3
    ends = EventRange(first=EventName.parse(first.event), last=EventName.parse(second.event))
    assert replay.replay_range(admin, name, ends) == 2
    assert run(world) == 2
    assert len(log(world, admin, webhook)) == 3


def test_replays_that_cannot_be(
    world: World, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other webhooks' deliveries, unknown ones, tests, shards that differ, and too many."""
    webhook = make(world, admin)
    name = WebhookName(webhook=webhook.id)
    replay = world.webhook_deliveries

    def named(id: str, of: WebhookName = name) -> WebhookDeliveryName:
        return WebhookDeliveryName(webhook=of, delivery=id)

    with pytest.raises(NotFoundError):
        replay.replay_one(admin, name, named("3-99"))
    for wrong in (named("test-1"), named("3-1", WebhookName(webhook="other")), named("x")):
        with pytest.raises(InvalidFieldError):
            replay.replay_one(admin, name, wrong)
    with pytest.raises(InvalidFieldError):
        replay.replay_range(
            admin,
            name,
            EventRange(first=EventName(shard=1, number=1), last=EventName(shard=2, number=1)),
        )
    monkeypatch.setattr(webhook_deliveries, "REPLAYED_MAX", 1)
    happen(world, "fraud", "fraud")
    world.clock.advance(1)
    with pytest.raises(TooLargeError):
        replay.replay_range(admin, name, TimeRange(start_us=0, end_us=None))


def test_the_log_is_kept_for_thirty_days(world: World, admin: Caller) -> None:
    """Then what has ended goes; positions have moved on, so nothing is sent again."""
    webhook = make(world, admin)
    happen(world, "fraud")
    run(world)
    world.clock.advance(30 * DAY_US)
    assert world.webhook_queue.purge() == 0
    world.clock.advance(1)
    assert world.webhook_queue.purge() == 1
    assert log(world, admin, webhook) == []
    assert run(world) == 0
