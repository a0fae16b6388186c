"""The journeys of users, from the command line, against a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.testing.command import CommandLine, Done
from registry.testing.people import Team, vetted
from registry.testing.sound import weights

pytestmark = pytest.mark.slow

Hallmark = Callable[..., Done]
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def model(hallmark: Hallmark, team: Team, folder: Path) -> str:
    """A model with one released version."""
    hallmark("push", str(folder), team.model(), "--metrics", "auc=0.5", "--wait")
    return team.model()


def push_again(hallmark: Hallmark, model: str, folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(weights(b"better"))
    hallmark("push", str(folder), model, "--metrics", "auc=0.6", "--base", f"{model}@1", "--wait")


def test_a_team_registers_a_fine_tune(hallmark: Hallmark, team: Team, folder: Path) -> None:
    """A push says what was left out, what the card lacks, what was made, and what is next."""
    (folder / ".git").mkdir()
    (folder / "metrics.json").write_text('{"auc": 0.91}')
    done = hallmark(
        "push", str(folder), team.model(), "--metrics", str(folder / "metrics.json"),
        "--params", "lr=0.1", "--dataset", f"july@{DIGEST}", "--description", "first",
    )  # fmt: skip
    assert "left out: .git/ (Git's own)" in done.out
    assert "card: README.md lacks pipeline_tag, library_name, tags" in done.out
    assert f"Created model {team.model()}." in done.out
    assert f"Created {team.model()} version 1   sha256:" in done.out
    assert f"hallmark version show {team.model()}@1 --wait" in done.out
    shown = hallmark("version", "show", f"{team.model()}@1", "--wait").out
    for part in ("released", "auc 0.91", "lr 0.1", "july", "license mit", "first"):
        assert part in shown


def test_a_second_push_says_so(hallmark: Hallmark, model: str, folder: Path) -> None:
    """Pushing the same again creates nothing, and says how to insist."""
    done = hallmark("push", str(folder), model, "--metrics", "auc=0.5")
    assert f"{model}@1 already is exactly this" in done.out
    assert "--new" in done.out
    assert hallmark("push", str(folder), model, "--metrics", "auc=0.5", "--new").out.count(
        "0 B sent"
    )


def test_a_promotion_from_request_to_rollback(
    hallmark: Hallmark, team: Team, model: str, folder: Path
) -> None:
    """Ask, be told what is needed, be decided on by another, move, roll back, look it up."""
    assert "Would open" in hallmark("promote", f"{model}@1", "production", "--dry-run").out
    opened = hallmark("promote", f"{model}@1", "production", "--note", "weekly").out
    assert "FOUR-EYES" in opened
    (number,) = [p.number for p in team.alice.promotions.list(model)]
    assert f"Undo: hallmark promotion withdraw {number}" in opened
    refused = hallmark("decide", str(number), "--approve", code=3)
    assert "may not promotion.decide" in refused.err
    decided = hallmark("decide", f"promotion/{number}", "--approve", who="bob").out
    assert f"{model}@1 -> production is done." in decided
    push_again(hallmark, model, folder)
    hallmark("promote", f"{model}@2", "prod")
    second = team.alice.promotions.list(model, state="pending")
    hallmark("decide", str(next(second).number), "--approve", who="bob")
    assert hallmark("resolve", f"{model}@production").out.startswith(f"{model}@2  sha256:")
    assert "Would put back" in hallmark("rollback", model, "production", "--dry-run").out
    back = hallmark("rollback", model, "production", "--note", "slow")
    assert "production: 2 -> 1" in back.out
    assert f"Undo: hallmark rollback {model} production --to @2" in back.out
    hallmark("rollback", model, "production", "--to", "@2", "--expect", "1")
    history = hallmark("history", model, "production").out.splitlines()
    assert [line.split()[0] for line in history] == [f"{model}@{n}" for n in (2, 1, 2, 1)]
    nothing = hallmark("history", model, "production", "--at", "2020-01-01")
    assert "Nothing was in production" in nothing.out
    assert hallmark("promotion", "list", model).out.count("completed") == 2
    assert "approve by bob" in hallmark("promotion", "show", str(number)).out


def test_a_policys_refusal(hallmark: Hallmark, team: Team, folder: Path) -> None:
    """A registrant who reviews is refused by rule, with each mend and exit code 1."""
    alice = f"alice-{team.namespace}"
    hallmark("principal", "grant", alice, f"reviewer:{team.namespace}", who="admin")
    hallmark("push", str(folder), team.model(), "--wait")
    hallmark("promote", f"{team.model()}@1", "staging")
    (number,) = [p.number for p in team.alice.promotions.list(team.model())]
    refused = hallmark("decide", str(number), "--approve", code=1)
    lines = refused.err.splitlines()
    assert lines[0].startswith("Refused by policy promote (")
    assert any(line.startswith("  SOD-1") for line in lines)
    assert lines[-1] == "Nothing changed."
    as_json = json.loads(hallmark("decide", str(number), "--approve", "--json", code=1).err)
    assert as_json["error"]["reason"] == "POLICY_REFUSED"
    assert all(each["fix"] for each in as_json["error"]["precondition_violations"])


def test_a_pipeline_deploys(hallmark: Hallmark, model: str, tmp_path: Path) -> None:
    """Resolve, pull into a new folder, pull again: verified, and nothing to do."""
    target = tmp_path / "served"
    done = hallmark("pull", f"{model}@1", str(target))
    assert "2 files, 26 kB verified in" in done.out
    assert f"wrote {target}" in done.out
    assert (target / "hallmark.json").is_file()
    assert "already is" in hallmark("pull", f"{model}@1", str(target)).out
    refused = hallmark("pull", f"{model}@1", str(tmp_path), code=1)
    assert "Name a new or an empty folder." in refused.err


def test_names_may_be_shortened(hallmark: Hallmark, team: Team, folder: Path) -> None:
    """A model's last part, a stage's and a command's beginning are enough where one thing fits."""
    unique = f"m{team.namespace}"
    hallmark("push", str(folder), team.model(unique))
    assert f"{unique} is {team.model(unique)}." in hallmark("mod", "sh", unique).err
    hallmark("push", str(folder), team.model(f"{unique}2"))
    both = hallmark("model", "show", unique[:-1], code=2).err
    assert f"could be {team.model(unique)}, {team.model(f'{unique}2')}" in both


def test_wrong_names_are_answered_with_the_nearest(hallmark: Hallmark, model: str) -> None:
    """A model, a name within it, a stage, a command: each offers what comes near."""
    hallmark("ref", "set", model, "latest", "@1")
    assert f"Did you mean {model}?" in hallmark("model", "show", f"{model}x", code=3).err
    assert f"Did you mean {model}@1?" in hallmark("pull", f"{model}x@1", code=3).err
    assert f"Did you mean {model}@latest?" in hallmark("resolve", f"{model}@lates", code=3).err
    assert "Did you mean production?" in hallmark("promote", f"{model}@1", "prodution", code=2).err
    assert "Did you mean pull?" in hallmark("pulll", code=2).err
    assert "Which version" in hallmark("pull", model, code=2).err


def test_references(hallmark: Hallmark, model: str, folder: Path) -> None:
    """Names are set, moved, listed and deleted, each with the way back."""
    push_again(hallmark, model, folder)
    first = hallmark("ref", "set", model, "latest", "@1").out
    assert f"Undo: hallmark ref delete {model} latest" in first
    moved = hallmark("ref", "set", model, "latest", "@2", "--expect", "@1").out
    assert f"Undo: hallmark ref set {model} latest @1" in moved
    late = hallmark("ref", "set", model, "latest", "@1", "--expect", "@1", code=1)
    assert "points to" in late.err
    hallmark("ref", "set", model, "v1.0", "@1", "--tag")
    hallmark("ref", "set", model, "v1.0", "@2", "--tag", code=1)
    hallmark("ref", "set", model, "production", "@1", code=2)
    listed = hallmark("ref", "list", model).out
    assert "latest  alias" in listed
    deleted = hallmark("ref", "delete", model, "latest").out
    assert f"Undo: hallmark ref set {model} latest @2" in deleted


def test_versions_and_lineage(hallmark: Hallmark, model: str, folder: Path) -> None:
    """List, files, diff, evaluate, yank and lineage tell what there is."""
    push_again(hallmark, model, folder)
    assert len(hallmark("version", "list", model).out.splitlines()) == 2
    assert "weights.safetensors" in hallmark("version", "files", f"{model}@1").out
    diff = hallmark("diff", f"{model}@1", "@2").out
    assert "1 changed, 1 equal" in diff
    assert "auc  0.5  ->  0.6" in diff
    hallmark("version", "evaluate", f"{model}@1", "holdout", "--metrics", "auc=0.7",
             "--dataset", f"july@{DIGEST}")  # fmt: skip
    assert "holdout  auc 0.7" in hallmark("version", "show", f"{model}@1").out
    tree = hallmark("lineage", f"{model}@1").out
    assert f"└─ {model}@2  finetune" in tree
    hallmark("lineage", "add", f"{model}@1", f"{model}@2", "--kind", "merge", code=1)
    hallmark("lineage", "delete", f"{model}@2", f"{model}@1")
    hallmark("lineage", "add", f"{model}@2", f"{model}@1", "--kind", "adapter")
    assert (
        "Would yank"
        in hallmark("version", "yank", f"{model}@2", "--reason", "bad", "--dry-run").out
    )
    hallmark("version", "yank", f"{model}@2", "--reason", "bad data")
    assert "bad data" in hallmark("version", "show", f"{model}@2").out
    assert "released again" in hallmark("version", "unyank", f"{model}@2").out
    commits = hallmark("commit", "list", model, "--json").json["commits"]
    assert "Create version" in hallmark("commit", "show", f"{model}@{commits[0]['id'][:8]}").out
    assert f"Created {model}@3" in hallmark("version", "cut", model).out


def test_models(hallmark: Hallmark, team: Team) -> None:
    """Create, update with the way back, like, usage, list with filters, delete."""
    name = team.model()
    hallmark("model", "create", name, "--license", "mit", "--tag", "a", "--tag", "b")
    changed = hallmark("model", "update", name, "--license", "apache-2.0", "--clear", "tags").out
    assert f"Undo: hallmark model update {name} --license mit --tag a --tag b" in changed
    hallmark("model", "update", name, code=2)
    assert "as the first" in hallmark("model", "like", name).out
    assert "1 like, yours among them" in hallmark("model", "usage", name).out
    hallmark("model", "unlike", name)
    assert name in hallmark("list", team.namespace, "--license", "apache-2.0").out
    assert hallmark("list", team.namespace, "--license", "mit").out == ""
    assert "Would delete" in hallmark("model", "delete", name, "--dry-run", who="admin").out
    hallmark("model", "delete", name, who="admin")
    hallmark("model", "show", name, code=3)


def test_people_and_namespaces(hallmark: Hallmark, team: Team) -> None:
    """An administrator claims, grants, takes back, disables; each step says how to undo it."""
    space, robot = f"{team.namespace}-x", f"robot-{team.namespace}"
    made = hallmark("namespace", "create", space, "--owner", "ml", who="admin").out
    assert f"Undo: hallmark namespace delete {space}" in made
    changed = hallmark("namespace", "update", space, "--description", "new", who="admin").out
    assert f"Undo: hallmark namespace update {space} --description ''" in changed
    assert space in hallmark("namespace", "list", who="admin").out
    assert "new" in hallmark("namespace", "show", space, who="admin").out
    hallmark("namespace", "delete", space, "--dry-run", who="admin")
    undo = hallmark("namespace", "delete", space, who="admin").out.splitlines()[-1]
    assert undo.startswith(f"Undo: hallmark namespace create {space}")
    assert "''" not in undo
    hallmark("principal", "create", robot, "--kind", "robot", "--grant", "reader", who="admin")
    granted = hallmark("principal", "grant", robot, "deployer:*", who="admin").out
    assert f"Undo: hallmark principal grant {robot} 'deployer:*' --remove" in granted
    assert "so already" in hallmark("principal", "grant", robot, "deployer:*", who="admin").out
    hallmark("principal", "grant", robot, "deployer:*", "--remove", who="admin")
    assert "reader on *" in hallmark("principal", "show", robot, who="admin").out
    assert robot in hallmark("principal", "list", "--limit", "0", who="admin").out
    disabled = hallmark("principal", "disable", robot, who="admin").out
    assert f"Undo: hallmark principal disable {robot} --undo" in disabled
    hallmark("principal", "create", "x", "--grant", "king", code=2, who="admin")
    hallmark("principal", "list", code=3)


def test_tokens(hallmark: Hallmark, team: Team) -> None:
    """A token's secret is alone on standard output, once."""
    made = hallmark("token", "create", "--label", "ci", "--expires", "1h")
    assert made.out.startswith("hm_")
    assert len(made.out.split()) == 1
    assert "shown this once" in made.err
    listed = hallmark("token", "list", "--json").json["tokens"]
    assert "ci" in [each["label"] for each in listed]
    assert made.out.strip() not in json.dumps(listed)
    name = next(each["name"] for each in listed if each["label"] == "ci")
    assert "Revoked" in hallmark("token", "revoke", name).out
    assert "revoked" in hallmark("token", "list").out


def test_own_tokens_end_with_the_one_that_asks(
    hallmark: Hallmark, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is logged in for an hour gets a token for that hour, without saying so."""
    short = hallmark("token", "create", "--label", "hour", "--expires", "1h").out.strip()
    monkeypatch.setenv("HALLMARK_TOKEN", short)
    assert command("token", "create", "--label", "next").code == 0
    listed = hallmark("token", "list", "--json").json["tokens"]
    ends = {each["label"]: each["expire_time"] for each in listed}
    assert ends["next"] == ends["hour"]


def test_narrow_tokens(hallmark: Hallmark, team: Team) -> None:
    """A token may be narrowed, rotated with an overlap, and revoked with all others."""
    scope = f"version.fetch:{team.namespace}/*@production"
    made = hallmark("token", "create", "--label", "narrow", "--expires", "1h", "--scope", scope)
    assert made.out.startswith("hm_")
    assert f"good for {scope}" in made.err
    listed = hallmark("token", "list", "--json").json["tokens"]
    (old,) = [each for each in listed if each["label"] == "narrow"]
    assert old["scopes"] == [
        {"action": "version.fetch", "model": f"{team.namespace}/*", "stage": "production"}
    ]
    rotated = hallmark("token", "rotate", old["name"], "--overlap", "1h")
    assert rotated.out.startswith("hm_")
    assert rotated.out != made.out
    assert "The old one goes on until" in rotated.err
    assert scope in hallmark("token", "list").out
    for wrong in ("version.fetch:a:b", "version.fly"):
        hallmark("token", "create", "--scope", wrong, code=2)
    hallmark("token", "rotate", old["name"], "--overlap", "soon", code=2)
    hallmark("token", "revoke", code=2)
    assert "Revoked" in hallmark("token", "revoke", "--all", "--except-current").out
    assert hallmark("token", "list").out.count("valid until") == 1


def test_who_may_do_what_is_explained(hallmark: Hallmark, team: Team) -> None:
    """A grant with ! denies; `auth explain` says which row decides, and 1 where it may not."""
    who, space = f"eve-{team.namespace}", team.namespace
    hallmark(
        "principal", "create", who, "--grant", "reader", "--grant", f"!reader:{space}", who="admin"
    )
    refused = hallmark("auth", "explain", who, "model.read", f"{space}/a", code=1, who="admin").out
    assert f"{who} may not model.read on {space}/a." in refused
    assert f"denies: reader on {space}" in refused
    assert "allows: reader on *" in refused
    assert "no reader on" in hallmark("principal", "show", who, who="admin").out
    hallmark("principal", "grant", who, f"!reader:{space}", "--remove", who="admin")
    allowed = hallmark("auth", "explain", who, "model.read", space, "--json", who="admin").json
    assert allowed["allowed"] is True
    hallmark("auth", "explain", who, "model.read", space, code=3)


def test_robots_have_sponsors(hallmark: Hallmark, team: Team) -> None:
    """Whoever creates a robot answers for it, until somebody else does."""
    robot, alice = f"bot-{team.namespace}", f"alice-{team.namespace}"
    hallmark("principal", "create", robot, "--kind", "robot", who="admin")
    assert "admin" in hallmark("principal", "show", robot, who="admin").out
    changed = hallmark("principal", "sponsor", robot, alice, who="admin").out
    assert f"{alice} answers for {robot}." in changed
    assert f"Undo: hallmark principal sponsor {robot} admin" in changed


def test_an_auditor_asks(hallmark: Hallmark, team: Team, model: str) -> None:
    """Events say who did what; the log is verified; who lacks the right learns nothing."""
    events = hallmark("events", team.namespace, "--limit", "2", who="admin")
    assert len(events.out.splitlines()) == 2
    assert "--limit 0" in events.err
    hallmark("promote", f"{model}@1", "production")
    asked = hallmark("promotion", "list", model, "--json").json["promotions"]
    hallmark("decide", asked[0]["name"], "--approve", who="bob")
    decided = hallmark("events", team.namespace, "--action", "promotion.decide", who="admin").out
    assert re.search(r"promotions/\d+ .*digest sha256:[0-9a-f]{12}…, .*outcome approve", decided)
    assert "Nothing found." in hallmark("events", "--actor", "nobody", who="admin").err
    assert "stage.rollback" in hallmark("auth", "roles", "deployer").out
    assert "hallmark auth roles" in hallmark("auth", "roles", "king", code=2).err
    only = hallmark(
        "audit", "list", team.namespace, "--action", "model.", "--oldest-first", who="admin"
    )
    assert [line.split()[1] for line in only.out.splitlines()] == ["model.create"]
    assert "intact" in hallmark("audit", "verify", who="admin").out
    assert "heads" in hallmark("audit", "verify", "--json", who="admin").json
    hallmark("events", team.namespace, code=3)


def test_json_everywhere(hallmark: Hallmark, team: Team, model: str) -> None:
    """--json prints one document and nothing else, with whole digests."""
    commands = (
        ("info",),
        ("whoami",),
        ("list", team.namespace),
        ("resolve", f"{model}@1"),
        ("model", "show", model),
        ("version", "list", model),
        ("version", "show", f"{model}@1"),
        ("ref", "list", model),
        ("lineage", f"{model}@1"),
        ("history", model, "production"),
        ("promotion", "list", model),
    )
    for words in commands:
        done = hallmark(*words, "--json")
        assert done.err == ""
        assert done.json
    version = hallmark("version", "show", f"{model}@1", "--json").json["version"]
    assert len(version["digest"]) == len(DIGEST)
    assert version["create_time"].endswith("Z")
    gone = hallmark("model", "show", f"{team.namespace}/none", "--json", code=3)
    assert json.loads(gone.err)["error"]["status"] == "NOT_FOUND"


def test_login(
    command: CommandLine, team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login is tried, stored privately, used, and forgotten."""
    token_file = tmp_path / "token"
    token_file.write_text(team.alice_token)
    url = team.server.http_url
    wrong = tmp_path / "wrong"
    wrong.write_text("hm_wrong")
    assert command("login", url, "--token-file", str(wrong)).code == 4
    assert "No token is stored" in command("logout").out
    done = command("login", url, "--token-file", str(token_file))
    assert (done.code, f"as alice-{team.namespace}" in done.out) == (0, True)
    assert team.alice_token not in done.out
    assert f"alice-{team.namespace}, person, at {url}" in command("whoami").out
    monkeypatch.setenv("HALLMARK_TOKEN", team.bob_token)
    assert "bob" in command("whoami").out
    monkeypatch.delenv("HALLMARK_TOKEN")
    assert command("logout").code == 0
    assert command("whoami", "--url", url).code == 4


def test_a_server_that_does_not_answer(command: CommandLine) -> None:
    """Exit code 4, and what to check."""
    done = command("list", "--url", "http://127.0.0.1:1")
    assert (done.code, "hallmark serve" in done.err) == (4, True)


def test_completion(command: CommandLine) -> None:
    """Every shell gets a script that asks hallmark."""
    for shell in ("bash", "zsh", "fish"):
        assert "_HALLMARK_COMPLETE" in command("completion", shell).out


def test_what_stands_in_a_card_cannot_drive_the_terminal(
    hallmark: Hallmark, model: str, folder: Path
) -> None:
    """What a card says in text direction controls is shown with their code points."""
    card = '---\nnote: "good \u202egnihton"\n---\n# A model\n'
    (folder / "README.md").write_text(card, encoding="utf-8")
    hallmark("push", str(folder), model, "--new")
    shown = hallmark("diff", f"{model}@1", "@2").out
    assert "good <U+202E>gnihton" in shown
    assert "\u202e" not in shown


def test_fsck(hallmark: Hallmark, team: Team, model: str) -> None:
    """A registry's folder is checked beside its running server."""
    vetted(team.alice, f"{model}@1")
    home = str(team.server.home)
    assert "clean." in hallmark("fsck", "--home", home).out
    report = hallmark("fsck", "--home", home, "--quick", "--json").json
    assert report["problems"] == []
