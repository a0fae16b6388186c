"""Kill -9 of a server that sends webhooks: every event arrives, whatever was under way."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.services.webhook_queue import LEASE_US
from registry.testing.receiver import receiver, replies
from registry.testing.server import ServerProcess

#: For the leases that the killed servers left, and the slowest machine.
WITHIN_S = LEASE_US / 1_000_000 + 120


def slowly(connection: socket.socket, ended: threading.Event) -> None:
    ended.wait(0.3)
    replies(204)(connection, ended)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "cycles",
    [
        pytest.param(4, id="reduced", marks=pytest.mark.soak),
        pytest.param(60, id="full", marks=pytest.mark.soak),
    ],
)
def test_no_event_is_lost(
    cycles: int, tmp_path: Path, seed: int, tell: Callable[[str], None]
) -> None:
    """After kills in the middle of deliveries each event has come at least once, under one id."""
    chance = random.Random(seed)
    claimed = set()
    with receiver() as opened:
        # So slow that a kill finds requests under way.
        opened.behaviour = slowly
        server = ServerProcess(tmp_path / "home")
        url = f"http://127.0.0.1:{opened.port}/"
        with server.client() as client:
            client.webhooks.create(url, "*", actions=["namespace."])
        for cycle in range(cycles):
            with server.client() as client:
                for number in range(chance.randint(3, 12)):
                    claimed.add(client.namespaces.create(f"n{cycle}-{number}").name)
            time.sleep(chance.uniform(0, 2.5))
            server.kill()
            server = ServerProcess(tmp_path / "home")
        until = time.monotonic() + WITHIN_S
        ids: dict[str, set[str]] = defaultdict(set)
        while ids.keys() != claimed and time.monotonic() < until:
            time.sleep(0.5)
            for request in list(opened.requests):
                resource = json.loads(request.body)["data"]["resource"]
                ids[resource].add(request.headers["webhook-id"])
        count = len(opened.requests)
        server.stop()
    tell(f"{cycles} kills, {len(claimed)} events, {count} requests")
    assert ids.keys() == claimed
    assert all(len(each) == 1 for each in ids.values())
