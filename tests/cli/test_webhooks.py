"""Webhooks from the command line, with a receiver on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from registry.testing.command import Done
from registry.testing.people import Team
from registry.testing.receiver import Receiver, receiver, replies
from registry.testing.receiving import verified

pytestmark = pytest.mark.slow

Hallmark = Callable[..., Done]
WITHIN_S = 60.0


@pytest.fixture
def opened() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.05)


def test_a_webhook_from_its_making_to_its_end(
    hallmark: Hallmark, team: Team, opened: Receiver
) -> None:
    """It is made, tried, told of an event, looked into, replayed, given a new secret, changed,
    deleted; each request verifies by what was printed."""
    url = f"http://127.0.0.1:{opened.port}/hook"
    done = hallmark("webhook", "create", url, team.namespace, "--action", "model.", who="admin")
    secret = done.out.strip()
    assert secret.startswith("whsec_")
    id = done.err.partition("Made webhook ")[2].partition(".")[0]
    assert "delivered" in hallmark("webhook", "test", id, "--json", who="admin").out
    hallmark("model", "create", team.model("hooked"))
    wait_for(lambda: len(opened.requests) == 2)
    for request in opened.requests:
        assert verified(secret, request.headers, request.body)
    data = json.loads(opened.requests[1].body)["data"]
    assert (data["action"], data["resource"]) == ("model.create", f"models/{team.model('hooked')}")
    wait_for(lambda: "pending" not in hallmark("webhook", "deliveries", id, who="admin").out)
    lines = hallmark("webhook", "deliveries", id, who="admin").out.splitlines()
    assert "model.create" in lines[0]
    assert "webhook.test" in lines[1]
    delivery = lines[0].split()[0]
    assert "1 event" in hallmark("webhook", "replay", id, delivery, who="admin").out
    wait_for(lambda: len(opened.requests) == 3)
    assert opened.requests[2].headers["webhook-id"] == opened.requests[1].headers["webhook-id"]
    rotated = hallmark("webhook", "rotate", id, "--overlap-hours", "1", who="admin").out.strip()
    hallmark("webhook", "replay", id, "--since", "1h", who="admin")
    wait_for(lambda: len(opened.requests) == 4)
    last = opened.requests[3]
    assert verified(secret, last.headers, last.body)
    assert verified(rotated, last.headers, last.body)
    shown = hallmark("webhook", "update", id, "--description", "mine", "--disable", who="admin").out
    assert f"Undo: hallmark webhook update {id} --description '' --enable" in shown
    assert "disabled" in hallmark("webhook", "show", id, who="admin").out
    assert id in hallmark("webhook", "list", who="admin").out
    assert "Would delete" in hallmark("webhook", "delete", id, "--dry-run", who="admin").out
    assert hallmark("webhook", "show", id, who="admin").code == 0
    assert "Deleted" in hallmark("webhook", "delete", id, who="admin").out
    assert id not in hallmark("webhook", "list", who="admin").out


def test_a_test_that_fails_says_so(hallmark: Hallmark, team: Team, opened: Receiver) -> None:
    """Exit code 1, and what the receiver replied."""
    opened.behaviour = replies(503)
    url = f"http://127.0.0.1:{opened.port}/"
    made = json.loads(hallmark("webhook", "create", url, team.namespace, "--json", who="admin").out)
    id = made["webhook"]["name"].removeprefix("webhooks/")
    done = hallmark("webhook", "test", id, who="admin", code=1)
    assert "status 503" in done.out


def test_urls_inside_are_refused(hallmark: Hallmark, team: Team) -> None:
    """Exit code 2, and the setting that would let them in."""
    done = hallmark(
        "webhook", "create", "https://169.254.169.254/", team.namespace, who="admin", code=2
    )
    assert "link-local" in done.err
    assert "HALLMARK_WEBHOOK_NETWORKS" in done.err
