"""EventService as a client sees it, who can check every hash alone."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from functools import partial

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from registry.domain.access import Role
from registry.testing.api import Api, code_of, info_of, outcome, refusal
from registry.testing.world import World, grant
from registry.v1 import events_pb2 as pb
from registry.v1 import models_pb2
from registry.v1.events_pb2_grpc import EventServiceStub
from registry.v1.models_pb2_grpc import ModelServiceStub


@pytest.fixture
def stub(world: World, api: Api) -> EventServiceStub:
    """An auditor's, after ada made five models."""
    world.claim("fraud")
    ada = ModelServiceStub(api.channel(world.login("ada", grant(Role.REGISTRANT)).secret))
    for number in range(5):
        world.clock.advance(1_000_001)
        ada.CreateModel(
            models_pb2.CreateModelRequest(
                parent="namespaces/fraud",
                model_id=f"m{number}",
                model=models_pb2.Model(description='Größe "λ"\n'),
            )
        )
    return EventServiceStub(api.channel(world.login("olga", grant(Role.AUDITOR)).secret))


def hash_of(event: pb.Event) -> str:
    """As the comment in events.proto says it, with nothing of ours."""
    _, shard, _, number = event.name.split("/")
    content = {
        "action": event.action,
        "actor": event.actor,
        "detail": event.detail_json,
        "namespace": event.namespace,
        "number": int(number),
        "previous_hash": event.previous_hash,
        "resource": event.resource,
        "schema": "hallmark.event.v1",
        "shard": int(shard),
        "time_us": event.time.seconds * 1_000_000 + event.time.nanos // 1000,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_client_can_check_the_chain(stub: EventServiceStub) -> None:
    """Each event's hash follows from its own fields, and each holds the hash of the one before."""
    request = pb.ListEventsRequest(parent="namespaces/fraud", order_by="time", page_size=2)
    previous = "0" * 64
    seen = 0
    while True:
        page = stub.ListEvents(request)
        for event in page.events:
            assert (event.previous_hash, event.hash) == (previous, hash_of(event))
            previous = event.hash
            seen += 1
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert seen == 5
    summary = stub.VerifyEvents(pb.VerifyEventsRequest())
    assert (summary.event_count, summary.shard_count) == (5, 1)
    assert (summary.heads[0].number, summary.heads[0].hash) == (5, previous)


def test_events_are_filtered(stub: EventServiceStub) -> None:
    """By resource, actor, action and time; newest first unless asked otherwise."""

    def found(**filters: object) -> list[str]:
        request = pb.ListEventsRequest(parent="namespaces/-", **filters)  # type: ignore[arg-type]
        return [event.resource for event in stub.ListEvents(request).events]

    everything = [f"models/fraud/m{number}" for number in range(5)]
    assert found() == everything[::-1]
    assert found(order_by="time", actor="principals/ada", action="model.") == everything
    assert found(resource="models/fraud/m2") == ["models/fraud/m2"]
    start, end = Timestamp(seconds=1_700_000_002), Timestamp(seconds=1_700_000_004)
    assert found(order_by="time", start_time=start, end_time=end) == everything[1:3]
    assert found(actor="system") == []
    for bad in ({"order_by": "x"}, {"actor": "ada"}, {"start_time": Timestamp(seconds=2**60)}):
        assert outcome(partial(found, **bad)) == "INVALID_ARGUMENT"


def test_a_broken_log_names_its_first_bad_record(world: World, stub: EventServiceStub) -> None:
    """Verification ends with DATA_LOSS and says which record of which shard is wrong."""
    with closing(sqlite3.connect(world.folder / "hallmark.db")) as connection:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute("UPDATE events SET resource = 'models/fraud/x' WHERE number = 4")
        connection.commit()
    error = refusal(lambda: stub.VerifyEvents(pb.VerifyEventsRequest()))
    info = info_of(error)
    assert (code_of(error), info.reason) == ("DATA_LOSS", "AUDIT_BROKEN")
    assert info.metadata["number"] == "4"
    assert info.metadata["shard"].isdigit()
