"""What is sent to whom, signed how, and when again: on plain values."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
from typing import Any

import pytest

from registry.domain.canonical import canonical_json
from registry.domain.events import EventDraft, chain, event_hash
from registry.domain.webhooks import (
    DAY_US,
    HOUR_US,
    SECOND_US,
    Answer,
    DeliveryState,
    after,
    delay_us,
    event_body,
    headers,
    new_secret,
    signature,
    webhook_after,
)
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.webhooks import delivery, webhook
from registry.testing.webhooks import said

EVENT = chain(
    EventDraft(
        action="stage.move",
        resource="models/fraud/scorer/stages/production",
        namespace="fraud",
        actor="principals/bob",
        detail={"version": 7, "auc": 1.0, "note": "\N{SNOWMAN}"},
    ),
    number=7,
    previous_hash="0" * 64,
    time_us=T0,
)


def test_the_signature_of_the_specification() -> None:
    """The example of the Standard Webhooks specification's own libraries is signed as there."""
    assert (
        signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp_s=1614265330,
            body=b'{"test": 2432232314}',
        )
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_each_secret_signs() -> None:
    """During an overlap a receiver that knows either secret finds its signature."""
    old, new = new_secret(), new_secret()
    sent = headers([new, old], message_id="msg_1", timestamp_s=1, body=b"{}")
    for secret in (old, new):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        code = hmac.new(key, b"msg_1.1.{}", hashlib.sha256).digest()
        assert f"v1,{base64.b64encode(code).decode()}" in sent["webhook-signature"].split(" ")


def test_the_body_holds_all_that_the_hash_is_made_of() -> None:
    """A receiver can recompute the event's hash from the body alone, and the body is canonical."""
    body = event_body(EVENT)
    read = json.loads(body)
    assert canonical_json(read) == body
    assert (read["type"], read["timestamp"]) == ("stage.move", "2023-11-14T22:13:20Z")
    data = read["data"]
    assert data["name"] == f"shards/{EVENT.shard}/events/7"
    of = {name: data[name] for name in ("shard", "number", "time_us", "actor", "action")}
    assert data["hash"] == event_hash(
        **of,
        resource=data["resource"],
        namespace=data["namespace"],
        detail_json=canonical_json(data["detail"]).decode(),
        previous_hash=data["previous_hash"],
    )


@pytest.mark.parametrize(
    ("pattern", "actions", "namespace", "fits"),
    [
        ("fraud", (), "fraud", True),
        ("fraud", (), "fraud-eu", False),
        ("fraud*", (), "fraud-eu", True),
        ("fraud", (), "", False),
        ("fraud*", (), "", False),
        ("*", (), "", True),
        ("*", ("stage.",), "fraud", True),
        ("*", ("stage.move",), "fraud", True),
        ("*", ("promotion.", "stage.mo"), "fraud", True),
        ("*", ("promotion.",), "fraud", False),
    ],
)
def test_the_filter(pattern: str, actions: tuple[str, ...], namespace: str, fits: bool) -> None:
    """An event fits by namespace and by the beginning of its action; registry-wide ones by "*"."""
    event = dataclasses.replace(EVENT, namespace=namespace)
    assert webhook(namespace_pattern=pattern, actions=actions).fits(event) is fits


def test_pauses_double_and_end_at_six_hours() -> None:
    """10 s, 20 s, 40 s ... 6 h, each a quarter more or less."""
    failed = said(500)
    pauses = [delay_us(count, failed, 0.5) for count in range(1, 40)]
    assert pauses[:3] == [10 * SECOND_US, 20 * SECOND_US, 40 * SECOND_US]
    assert pauses[-1] == 6 * HOUR_US
    assert delay_us(1, failed, 0.0) == 7.5 * SECOND_US
    assert delay_us(1, failed, 1.0) == 12.5 * SECOND_US


def test_a_receiver_may_ask_for_a_longer_pause() -> None:
    """Retry-After makes a pause longer, never shorter, and not longer than six hours."""
    assert delay_us(1, said(429, retry_after_s=120), 0.5) == 120 * SECOND_US
    assert delay_us(1, said(429, retry_after_s=1), 0.5) == 10 * SECOND_US
    assert delay_us(1, said(503, retry_after_s=10**9), 0.5) == 6 * HOUR_US


@pytest.mark.parametrize(
    ("answer", "age_us", "changes", "state"),
    [
        (said(204), 0, {}, DeliveryState.DELIVERED),
        (said(500), 0, {}, DeliveryState.PENDING),
        (said(302), 0, {}, DeliveryState.PENDING),
        (said(0, "no reply in time"), 0, {}, DeliveryState.PENDING),
        (said(500), 3 * DAY_US, {}, DeliveryState.FAILED),
        (said(410), 0, {}, DeliveryState.FAILED),
        (said(500), 0, {"shard": -1}, DeliveryState.FAILED),
    ],
)
def test_what_becomes_of_a_delivery(
    answer: Answer, age_us: int, changes: dict[str, Any], state: DeliveryState
) -> None:
    """Done, to be tried again, or given up: after three days, by 410, and a test at once."""
    told = after(delivery(**changes), answer, now_us=T0 + age_us, chance=0.5)
    assert told.state is state
    assert told.attempts[-1].status == answer.status
    assert told.attempt_count == 1


def test_attempts_are_remembered_within_bounds() -> None:
    """The last thirty are kept, whatever a receiver does."""
    told = delivery()
    for number in range(50):
        told = after(told, said(500), now_us=T0 + number, chance=0.5)
    assert len(told.attempts) == 30
    assert told.attempt_count == 50


def test_a_webhook_that_fails_for_three_days_is_disabled() -> None:
    """The first failure is remembered, a success forgets it, three days without one disable."""
    failing = webhook_after(webhook(), delivery(), said(500), now_us=T0)
    assert (failing.failing_since_us, failing.enabled) == (T0, True)
    assert webhook_after(failing, delivery(), said(200), now_us=T0 + 1).failing_since_us is None
    still = webhook_after(failing, delivery(), said(500), now_us=T0 + 3 * DAY_US - 1)
    assert still.enabled
    off = webhook_after(still, delivery(), said(500), now_us=T0 + 3 * DAY_US)
    assert not off.enabled
    assert "2023-11-14" in off.disable_reason


def test_gone_disables_at_once_and_a_failed_test_does_not_count() -> None:
    """410 is the receiver's own wish; a test says nothing of events."""
    assert not webhook_after(webhook(), delivery(), said(410), now_us=T0).enabled
    assert webhook_after(webhook(), delivery(shard=-1), said(500), now_us=T0) == webhook()


def test_a_webhook_shows_neither_secret_nor_path() -> None:
    """repr and origin leave out what only the receiver is to know."""
    shown = webhook(url="https://hooks.example:8443/T0/s3cr3t?key=s3cr3t")
    assert "s3cr3t" not in repr(shown)
    assert "sealed" not in repr(shown)
    assert shown.origin == "https://hooks.example:8443"
