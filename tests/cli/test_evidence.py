"""Evidence on the command line: checkpoints, proofs that need no server, exports, questions."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from registry.testing.command import CommandLine, Done
from registry.testing.forger import Forger
from registry.testing.people import Team
from registry.testing.server import running_server

pytestmark = pytest.mark.slow
Hallmark = Callable[..., Done]


@pytest.fixture
def files(hallmark: Hallmark, tmp_path: Path) -> dict[str, Path]:
    """A checkpoint, the proof of an event in it, and the public key, as an auditor keeps them."""
    found = {name: tmp_path / name for name in ("checkpoint", "proof", "pem")}
    hallmark("audit", "checkpoint", "--out", str(found["checkpoint"]), who="admin")
    hallmark("audit", "prove", "shards/0/events/1", "--out", str(found["proof"]), who="admin")
    hallmark("audit", "keys", "--out", str(found["pem"]), who="admin")
    return found


def test_a_proof_needs_nothing_but_the_key(
    files: dict[str, Path], command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without server, address or token the file proves its event; changed, it proves nothing."""
    for name in ("HALLMARK_URL", "HALLMARK_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    proof, pem = str(files["proof"]), str(files["pem"])
    done = command("audit", "verify", proof, "--key", pem)
    assert (done.code, "in checkpoint" in done.out, "proven." in done.out) == (0, True, True)
    assert command("audit", "verify", proof).code == 5
    whole = json.loads(files["proof"].read_text())
    event = {**whole["event"], "actor": "principals/eve"}
    for changed in (
        {**whole, "event": event},
        {**whole, "path": [*whole["path"], "00" * 32]},
        {**whole, "checkpoint": whole["checkpoint"].replace('"time_us":1', '"time_us":2')},
    ):
        files["proof"].write_text(json.dumps(changed))
        assert command("audit", "verify", proof, "--key", pem).code == 1
    files["proof"].write_text(json.dumps({"schema": "hallmark.proof.v1"}))
    assert command("audit", "verify", proof, "--key", pem).code == 2


def test_a_proof_by_another_key_is_none(
    files: dict[str, Path], command: CommandLine, tmp_path: Path
) -> None:
    """Whoever trusts another key is told that this one does not sign for it."""
    from registry.auth.signing import Ed25519Keys
    from registry.domain.notes import public_pem

    other = tmp_path / "other"
    other.write_text(public_pem(Ed25519Keys.fresh().public_keys[0]))
    done = command("audit", "verify", str(files["proof"]), "--key", str(other))
    assert (done.code, "not by a key that is believed" in done.err) == (1, True)


def test_a_log_that_only_grew_is_proven(
    files: dict[str, Path], hallmark: Hallmark, team: Team, tmp_path: Path
) -> None:
    """A consistency proof leads from a kept checkpoint to a newer one."""
    first = re.search(r'"number":(\d+),"previous"', files["checkpoint"].read_text())
    assert first is not None
    hallmark("model", "create", f"{team.namespace}/grown")
    hallmark("audit", "checkpoint", who="admin")
    grown = tmp_path / "grown"
    hallmark("audit", "prove", f"checkpoints/{first[1]}", "--out", str(grown), who="admin")
    done = hallmark("audit", "verify", str(grown), "--key", str(files["pem"]))
    assert f"the log of checkpoint {first[1]} is the beginning" in done.out


def test_the_log_fits_what_was_kept(files: dict[str, Path], hallmark: Hallmark) -> None:
    """Server and kept checkpoint agree, and the figures are told."""
    done = hallmark("audit", "verify", str(files["checkpoint"]), who="admin")
    assert re.fullmatch(r"[\d,]+ events in \d+ shards, \d+ checkpoints?: intact\.\n", done.out)


def test_a_log_put_back_is_found_by_what_was_kept(command: CommandLine, tmp_path: Path) -> None:
    """A folder restored to an earlier day verifies by itself, and not with the checkpoint."""
    home, kept = tmp_path / "home", tmp_path / "kept"
    with running_server(home) as server, server.client() as client:
        client.audit.checkpoint()
    old = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    with running_server(home) as server, server.client() as client:
        client.namespaces.create("fraud")
        kept.write_text(client.audit.checkpoint().note)
    assert command("audit", "verify", str(kept), "--home", str(home)).code == 0
    for path in home.rglob("*"):
        if path.is_file():
            path.unlink()
    for path, data in old.items():
        path.write_bytes(data)
    assert command("audit", "verify", "--home", str(home)).code == 0
    done = command("audit", "verify", str(kept), "--home", str(home))
    assert (done.code, "which checkpoint 2 has seen" in done.err) == (1, True)


def test_a_rewritten_log_is_found_beside_and_by_the_server(
    command: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the whole chain made anew, the checkpoint that no longer fits is named."""
    home = tmp_path / "home"
    with running_server(home) as server, server.client() as client:
        client.namespaces.create("fraud")
        client.audit.checkpoint()
        forger = Forger(f"sqlite:///{home}/hallmark.db")
        forger.rewrite(server.registry._database, 0, 1, actor="principals/eve")
        monkeypatch.setenv("HALLMARK_TOKEN", server.admin_token)
        asked = command("audit", "verify", "--url", server.http_url)
    alone = command("audit", "verify", "--home", str(home))
    assert asked == alone
    assert (asked.code, "checkpoint 1 no longer fits" in asked.err) == (1, True)


def test_checkpoints_are_copied_to_a_folder(tmp_path: Path) -> None:
    """What is made appears there as a file, and a restart adds what is missing."""
    home, copies = tmp_path / "home", tmp_path / "copies"
    with running_server(home) as server, server.client() as client:
        first = client.audit.checkpoint().note
    with running_server(home, {"HALLMARK_AUDIT_EXPORT_DIR": str(copies)}):
        path = copies / "checkpoint-000000001.txt"
        for _ in range(600):
            if path.exists():
                break
            threading.Event().wait(0.05)
        assert path.read_text() == first


def hash_of(event: dict[str, object]) -> str:
    """As events.proto says it, with nothing of ours."""
    content = {key: value for key, value in event.items() if key != "hash"}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def test_an_export_can_be_checked_by_anybody(
    hallmark: Hallmark, team: Team, tmp_path: Path
) -> None:
    """Each line's hash follows from its members, each shard's lines from each other."""
    hallmark("model", "create", f"{team.namespace}/exported", "--description", 'Größe "λ"')
    out = tmp_path / "log.jsonl"
    hallmark("audit", "export", "--out", str(out), who="admin")
    last: dict[object, str] = {}
    for line in out.read_text().splitlines():
        event = json.loads(line)
        assert hash_of(event) == event["hash"]
        assert event["previous_hash"] == last.get(event["shard"], "0" * 64)
        last[event["shard"]] = event["hash"]
    assert "exported" in out.read_text()
    refused = hallmark("audit", "export", "--out", str(out), who="admin", code=2)
    assert "--resume" in refused.err


@pytest.mark.parametrize("framing", ["newline", "octet-counting"])
def test_an_export_to_standard_output(hallmark: Hallmark, team: Team, framing: str) -> None:
    """Nothing but the messages, framed as was asked for, of the namespace alone."""
    words = ("audit", "export", team.namespace, "--format", "syslog", "--framing", framing)
    done = hallmark(*words, who="admin")
    first = done.out.splitlines()[0]
    assert ("<109>1 " in first, "[hallmark@32473 shard=" in first) == (True, True)
    assert first.startswith("<109>1 ") is (framing == "newline")
    assert "1 event exported." in done.err


def test_a_cut_export_goes_on_without_loss_or_repeat(
    hallmark: Hallmark, team: Team, tmp_path: Path
) -> None:
    """While somebody writes, and with half a line of a batch left behind by the cut."""
    out = tmp_path / "log.jsonl"
    hallmark("audit", "export", "--out", str(out), who="admin")
    with team.server.client(team.alice_token) as client:
        done = threading.Event()

        def write() -> None:
            for number in range(40):
                client.models.create(f"{team.namespace}/resumed-{number}")
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        while not done.is_set():
            with open(out, "a") as file:
                file.write('{"schema":"hallmark.event.v1","sha')
            hallmark("audit", "export", "--out", str(out), "--resume", who="admin")
        writer.join()
    hallmark("audit", "export", "--out", str(out), "--resume", who="admin")
    events = [json.loads(line) for line in out.read_text().splitlines()]
    places = sorted((event["shard"], event["number"]) for event in events)
    assert len(set(places)) == len(places)
    with closing(sqlite3.connect(team.server.home / "hallmark.db")) as database:
        stored = database.execute("SELECT shard, number FROM events ORDER BY 1, 2").fetchall()
    assert places == stored


def test_events_arrive_at_a_syslog_server(hallmark: Hallmark, team: Team, tmp_path: Path) -> None:
    """Over TCP with their lengths before them, each once, also when gone on with."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        received = bytearray()

        def take(connections: int) -> None:
            for _ in range(connections):
                connection, _ = server.accept()
                with connection:
                    while data := connection.recv(65536):
                        received.extend(data)

        taker = threading.Thread(target=take, args=(2,))
        taker.start()
        state = str(tmp_path / "state")
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        words = ("audit", "export", team.namespace, "--to", url, "--state", state)
        hallmark(*words, who="admin")
        hallmark("model", "create", f"{team.namespace}/sent")
        assert "--resume" in hallmark(*words, who="admin", code=2).err
        hallmark(*words, "--resume", who="admin")
        taker.join()
    messages = []
    rest = bytes(received)
    while rest:
        length, _, rest = rest.partition(b" ")
        messages.append(rest[: int(length)])
        rest = rest[int(length) :]
    assert len(messages) == len(set(messages))
    assert messages[-1].startswith(b"<109>1 ")
    assert f"models/{team.namespace}/sent".encode() in messages[-1]


def test_questions_are_answered_with_their_events(
    hallmark: Hallmark, team: Team, folder: Path, tmp_path: Path
) -> None:
    """Who approved, who pulled, and what was in production then, models since deleted included."""
    model = f"{team.namespace}/scorer"
    hallmark("push", str(folder), model, "--wait")
    hallmark("promote", f"{model}@1", "production")
    waiting = json.loads(hallmark("promotion", "list", model, "--json").out)["promotions"]
    number = waiting[0]["name"]
    hallmark("decide", number, "--approve", "--comment", "measured", who="bob")
    found = hallmark("audit", "who-approved", f"{model}@1", who="admin").out
    assert ("bob" in found, "approve" in found, "measured" in found) == (True, True, True)
    assert re.search(r"shards/\d+/events/\d+", found)
    hallmark("pull", f"{model}@1", str(tmp_path / "served"), who="bob")
    pulls = json.loads(hallmark("audit", "who-pulled", f"{model}@1", "--json", who="admin").out)
    assert [pull["principal"] for pull in pulls["pulls"]] == [f"principals/bob-{team.namespace}"]
    assert pulls["pulls"][0]["digest"].startswith("sha256:")
    words = ("audit", "stage", "production", team.namespace, "--at", "0s", "--json")
    held = json.loads(hallmark(*words, who="admin").out)
    assert [each["version"] for each in held["versions"]] == [f"models/{model}/versions/1"]
    at = held["versions"][0]["since"]
    asked = [("who-approved", f"{model}@1"), ("who-pulled", f"{model}@1")]
    before = [hallmark("audit", *words, who="admin").out for words in asked]
    hallmark("rollback", model, "production", "--to-empty")
    assert json.loads(hallmark(*words, who="admin").out)["versions"] == []
    hallmark("model", "delete", model, who="admin")
    then = hallmark("audit", "stage", "production", team.namespace, "--at", at, who="admin").out
    assert f"{model}@1" in then
    assert [hallmark("audit", *words, who="admin").out for words in asked] == before
    assert hallmark("audit", "who-approved", f"{model}@2", who="admin", code=3).out == ""
