"""Waivers, terms, the inbox and broken glass from the command line, against a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.client.values import Grant
from registry.testing.command import Done
from registry.testing.people import Team

pytestmark = pytest.mark.slow

Hallmark = Callable[..., Done]


@pytest.fixture
def model(hallmark: Hallmark, team: Team, folder: Path) -> str:
    """A model with one released version; bob secures it beside reviewing."""
    hallmark("push", str(folder), team.model(), "--wait")
    bob = f"bob-{team.namespace}"
    hallmark("principal", "grant", bob, f"security:{team.namespace}", who="admin")
    return team.model()


def first_number(done: Done, key: str) -> str:
    """The number of the first thing that a list with --json shows."""
    name: str = json.loads(done.out)[key][0]["name"]
    return name.rpartition("/")[2]


def test_a_waiver_from_request_to_end(hallmark: Hallmark, team: Team, model: str) -> None:
    """Ask, be refused to decide oneself, see it in the inbox, grant, show, revoke."""
    asked = hallmark(
        "waiver", "request", "METRIC-1", f"{model}@1",
        "--reason", "retrain is under way", "--until", "10d", "--stage", "prod",
    ).out  # fmt: skip
    assert f"METRIC-1 for {model}@1 -> production, until" in asked
    number = first_number(hallmark("waiver", "list", model, "--json"), "waivers")
    assert f"Undo: hallmark waiver withdraw {number}" in asked
    hallmark("waiver", "decide", number, "--approve", code=3)
    inbox = hallmark("inbox", who="bob")
    assert f"METRIC-1 for {model}@1 -> production" in inbox.out
    assert "released, pass" in inbox.out
    assert "due in 9 d" in inbox.out
    assert f"Decide: hallmark waiver decide {number} --approve" in inbox.err
    assert hallmark("inbox").out == ""
    assert "METRIC-1" in hallmark("inbox", "--mine").out
    granted = hallmark("waiver", "decide", number, "--approve", "--comment", "ok", who="bob").out
    assert f"Waiver {number} is granted" in granted
    shown = hallmark("waiver", "show", number).out
    for part in ("granted", "retrain is under way", "approve by bob", "security", ": ok"):
        assert part in shown
    assert f"Waiver {number} is revoked." in hallmark("waiver", "revoke", number).out
    refused = hallmark("waiver", "request", "SOD-1", f"{model}@1", "--reason", "x", code=2)
    assert "lets be waived" in refused.err
    hallmark("waiver", "request", "METRIC-1", model, "--reason", "all of them")
    again = first_number(hallmark("waiver", "list", model, "--json"), "waivers")
    assert f"Waiver {again} is withdrawn." in hallmark("waiver", "withdraw", again).out


def test_a_decision_with_conditions(hallmark: Hallmark, team: Team, model: str) -> None:
    """An approval's time and conditions are kept and shown."""
    hallmark("promote", f"{model}@1", "production")
    assert f"{model}@1 -> production" in hallmark("inbox", who="bob").out
    (number,) = [str(p.number) for p in team.alice.promotions.list(model)]
    hallmark(
        "decide", number, "--approve", "--until", "2d", "--condition", "watch the drift",
        "--condition", "only batch", who="bob",
    )  # fmt: skip
    shown = hallmark("promotion", "show", number).out
    assert "on condition: watch the drift" in shown
    assert "on condition: only batch" in shown
    (decision,) = team.alice.promotions.get(number).decisions
    assert decision.conditions == ("watch the drift", "only batch")
    assert decision.expire_time is not None


def test_terms_from_setting_to_revocation(hallmark: Hallmark, model: str, tmp_path: Path) -> None:
    """A pull is refused with what to type; typed, it works; new terms ask for an approval."""
    text = tmp_path / "terms.txt"
    text.write_text("No evil.\n")
    hallmark("access", "set", model, "--terms-file", str(text), "--label", "v1", who="bob")
    refused = hallmark("pull", f"{model}@1", str(tmp_path / "a"), code=1).err
    shown = hallmark("access", "terms", model).out
    assert "No evil." in shown
    (mend,) = [line for line in shown.splitlines() if line.startswith("Accept: ")]
    command = mend.removeprefix("Accept: hallmark ")
    assert command in refused
    assert "counts until" in hallmark(*command.split()).out
    assert "verified" in hallmark("pull", f"{model}@1", str(tmp_path / "a")).out
    number = first_number(hallmark("access", "list", model, "--json", who="bob"), "acceptances")
    assert "granted" in hallmark("access", "list", "--mine").out
    assert "is revoked" in hallmark("access", "revoke", number, who="bob").out
    hallmark("pull", f"{model}@1", str(tmp_path / "b"), code=1)
    hallmark(
        "access", "set", model, "--terms-file", str(text), "--label", "v2", "--approval", who="bob"
    )
    digest = json.loads(hallmark("access", "terms", model, "--json").out)["digest"]
    hallmark("access", "accept", model, "--terms", digest, code=1)
    asked = hallmark("access", "request", model, "--terms", digest, "--reason", "research").out
    assert "waits for an approval" in asked
    assert "for alice" in hallmark("inbox", who="bob").out
    number = first_number(hallmark("access", "list", model, "--json", who="bob"), "acceptances")
    assert "counts until" in hallmark("access", "decide", number, "--approve", who="bob").out
    assert "verified" in hallmark("pull", f"{model}@1", str(tmp_path / "b")).out
    assert "has no terms now" in hallmark("access", "set", model, "--none", who="bob").out
    hallmark("access", "terms", model, code=3)


def test_broken_glass(hallmark: Hallmark, team: Team, model: str) -> None:
    """The stage moves at once, and two others are asked what they think of it."""
    words = ("promote", f"{model}@1", "production", "--break-glass")
    hallmark(*words, "--note", "production is down", code=3)
    hallmark(*words, code=2, who="bob")
    moved = hallmark(*words, "--note", "production is down", who="bob").out
    assert f"Moved {model}@1 -> production; two others have to review" in moved
    listed = hallmark("review", "list", model)
    assert "pending" in listed.out
    number = first_number(hallmark("review", "list", model, "--json"), "reviews")
    shown = hallmark("review", "show", number).out
    for part in ("production is down", "FOUR-EYES", "by bob", "due"):
        assert part in shown
    hallmark("review", "decide", number, "--approve", who="bob", code=3)
    alice = f"alice-{team.namespace}"
    hallmark("principal", "grant", alice, f"reviewer:{team.namespace}", who="admin")
    hallmark("review", "decide", number, "--reject", code=3)
    carol, dan = (f"{name}-{team.namespace}" for name in ("carol", "dan"))
    for name in (carol, dan):
        grants = [Grant(role="reviewer", namespace_pattern=team.namespace)]
        team.admin.principals.create(name, grants=grants)
        expires = datetime.now(UTC) + timedelta(days=1)
        secret = team.admin.tokens.create(name, expire_time=expires).secret
        with team.server.client(secret) as client:
            client.reviews.decide(number, "approve", comment=f"{name} looked")
    told = json.loads(hallmark("audit", "who-approved", f"{model}@1", "--json", who="admin").out)
    assert [(each["outcome"], each["decider"]) for each in told["decisions"]] == [
        ("review: approve", f"principals/{dan}"),
        ("review: approve", f"principals/{carol}"),
        ("break_glass", f"principals/bob-{team.namespace}"),
    ]
    assert told["decisions"][-1]["comment"] == "production is down"
    assert hallmark("resolve", f"{model}@production").out.startswith(f"{model}@1")
