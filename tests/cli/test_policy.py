"""hallmark policy: files without a server, two people who change the active set, and explain."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from registry.cli.remedies import command_of, command_problem
from registry.cli.tree import cli
from registry.shipped import shipped_folder
from registry.testing.command import CommandLine, Done
from registry.testing.people import Team
from registry.testing.server import RunningServer

Hallmark = Callable[..., Done]

pytestmark = pytest.mark.usefixtures("policy_files_read_once")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A copy of the shipped files."""
    return Path(shutil.copytree(shipped_folder(), tmp_path / "policies"))


@pytest.fixture
def secure(
    server: RunningServer, hallmark: Hallmark, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> Hallmark:
    """Run hallmark as sam or eve, who secure everything."""
    tokens = {}
    for who in ("sam", "eve"):
        if hallmark("principal", "list", "--json", who="admin").out.find(f'"{who}"') < 0:
            command("principal", "create", who, "--grant", "security:*")
        made = hallmark("token", "create", who, who="admin").out
        tokens[who] = made.strip().splitlines()[-1].split()[-1]

    def call(*words: str, who: str, code: int = 0) -> Done:
        monkeypatch.setenv("HALLMARK_URL", server.http_url)
        monkeypatch.setenv("HALLMARK_TOKEN", tokens[who])
        done = command(*words)
        assert done.code == code, f"{words}: {done}"
        return done

    return call


def edit(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))


@pytest.mark.slow
def test_shipped_files_are_good(command: CommandLine) -> None:
    """Without a server: the files that come with Hallmark check, and all their examples hold."""
    assert "27 rules of 6 gates" in command("policy", "check").out
    done = command("policy", "test", "--json")
    assert done.code == 0
    assert len(done.json["examples"]) > 70
    assert all(each["problem"] == "" for each in done.json["examples"])


def test_a_failing_example(command: CommandLine, files: Path) -> None:
    """An example that does not hold ends with exit code 1, and says what was answered."""
    edit(files, "delete.yaml", "accepted: true", "refused: [PROTECTED]")
    edit(files, "delete.yaml", "tests:\n", "tests:\n- {name: good, accepted: true}\n")
    done = command("policy", "test", str(files))
    assert done.code == 1
    assert "test 'a model that nothing needs': PROTECTED does not refuse it" in done.out
    assert "✗  delete    3 of 4 examples" in done.out


def test_a_rule_that_refuses_more_than_was_meant(command: CommandLine, files: Path) -> None:
    """A new rule that asks something of all versions is told as such, once; a `given` of the file
    says what its examples have, and those that say otherwise still do."""
    rule = """
- id: CARD-2
  require: "has(version.card.contact)"
  message: "{version.ref} names no contact."
  fix: "Name one: hallmark push FOLDER {version.model}"
tests:
- name: nobody to ask
  given: {version: {card: {contact: null}}}
  refused: [CARD-2]
"""
    edit(files, "fetch.yaml", "tests:\n", rule)
    done = command("policy", "test", str(files))
    assert done.code == 1
    assert "test 'a released version': CARD-2 refuses it: fraud/scorer@7 names no" in done.out
    assert done.out.count("CARD-2 refuses 9 examples that are about other rules: narrow") == 1
    edit(files, "fetch.yaml", "rules:", "given: {version: {card: {contact: a@b.example}}}\nrules:")
    done = command("policy", "test", str(files))
    assert done.code == 0, done.out


def test_a_rule_that_refuses_by_mistake(command: CommandLine, files: Path) -> None:
    """A rule with a misspelt field denies all; no example takes that for the refusal it expects."""
    edit(files, "fetch.yaml", "version.state == 'RELEASED' ||", "version.stat == 'RELEASED' ||")
    done = command("policy", "test", str(files))
    assert done.code == 1
    assert "test 'one in quarantine': RELEASED could not be evaluated: require: " in done.out
    assert "RELEASED could not be evaluated in 8 examples: is a name misspelt, or" in done.out


def test_a_mistake_in_a_rule_is_told_once(command: CommandLine, files: Path) -> None:
    """Examples of a rule that does not compile are not blamed for naming it."""
    edit(files, "delete.yaml", "model.stages.size() == 0", "model.stages.size() = 0")
    assert len(command("policy", "test", str(files)).out.splitlines()) == 1


def test_a_mistake_in_a_file(command: CommandLine, files: Path) -> None:
    """A file that makes no set is told with line and rule, by test and check alike."""
    edit(files, "delete.yaml", "model.stages.size() == 0", "model.stages.size( == 0")
    for verb in ("check", "test"):
        done = command("policy", verb, str(files))
        assert done.code == 1
        assert "delete.yaml:6: rule SERVED require: " in done.out


def test_a_mend_that_nobody_can_type(command: CommandLine, files: Path) -> None:
    """A remedy with an option that is not there is told by check."""
    edit(files, "delete.yaml", "--to-empty", "--empty")
    done = command("policy", "check", str(files))
    assert done.code == 1
    assert "rule SERVED: fix: hallmark rollback" in done.out


def test_a_mend_with_a_value_that_is_none(command: CommandLine, files: Path) -> None:
    """A remedy whose value an option does not take is told, but not what its reader replaces."""
    edit(files, "promote.yaml", "--dataset NAME@{missed", "--dataset NAME={missed")
    done = command("policy", "check", str(files))
    assert done.code == 1
    assert "rule METRIC-1: fix: hallmark version evaluate" in done.out
    assert "expected NAME@sha256: and 64 hex digits" in done.out


def test_an_example_of_what_is_not_there(command: CommandLine, files: Path) -> None:
    """An example that names a field of its own making is told by check as by test."""
    edit(
        files, "delete.yaml", "tests:\n", "tests:\n- {name: odd, given: {run: 1}, accepted: true}\n"
    )
    for verb in ("check", "test"):
        done = command("policy", verb, str(files))
        assert done.code == 1
        assert "test 'odd': its document cannot be made: there is no run" in done.out


def test_no_folder(command: CommandLine, tmp_path: Path) -> None:
    """A folder without the files is wrong usage."""
    assert command("policy", "test", str(tmp_path / "none")).code == 2


def test_a_folder_from_the_environment(
    command: CommandLine, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HALLMARK_POLICY_DIR names the folder where none is given."""
    edit(files, "settings.yaml", "336h", "24h")
    before = command("policy", "check", "--json").json["digest"]
    monkeypatch.setenv("HALLMARK_POLICY_DIR", str(files))
    assert command("policy", "check", "--json").json["digest"] != before


def test_diff_of_files(command: CommandLine, files: Path) -> None:
    """Rules and settings that differ are shown, before and after."""
    edit(files, "settings.yaml", "336h", "24h")
    edit(files, "promote.yaml", "waivable: true", "waivable: false")
    out = command("policy", "diff", str(shipped_folder()), str(files)).out
    assert "settings.promotion_ttl" in out
    assert '+ "24h"' in out
    assert "promote TRITON-1 waivable" in out


@pytest.mark.slow
def test_two_people_change_the_set(
    secure: Hallmark, hallmark: Hallmark, files: Path, team: Team
) -> None:
    """One proposes, nobody alone agrees, a second one approves; info and show follow at once."""
    edit(files, "settings.yaml", "custom: {}", f"custom: {{crew: {team.namespace}}}")
    proposed = secure("policy", "propose", str(files), "--note", "crew", who="sam")
    number = proposed.out.split()[2]
    before = hallmark("info", "--json").json["policy_digest"]
    (item,) = (
        each
        for each in secure("inbox", "--json", who="eve").json["items"]
        if each["kind"] == "policy"
    )
    assert (item["reason"], item["since_time"] < item["due_time"]) == ("crew", True)
    assert item["look"] == f"hallmark policy show {number}"
    assert item["decide"] == f"hallmark policy approve {number}"
    inbox = secure("inbox", who="eve")
    assert f"hallmark policy show {number}" in inbox.out
    assert "due in 13 d" in inbox.out
    assert f"Decide: {item['decide']}" in inbox.err
    assert "policy set" in secure("inbox", "--mine", who="sam").out
    assert "policy set" not in secure("inbox", who="sam").out
    assert "until" in secure("policy", "show", number, who="eve").out
    refused = secure("policy", "approve", number, who="sam", code=3)
    assert "another person than principals/sam" in refused.err
    assert "settings.custom" in secure("policy", "show", number, who="eve").out
    approved = secure("policy", "approve", number, "--comment", "good", who="eve")
    assert "Active now" in approved.out
    after = hallmark("info", "--json").json["policy_digest"]
    assert after != before
    assert hallmark("policy", "show", "--json").json["digest"] == after
    assert hallmark("policy", "diff", "active", str(files)).out.endswith("nothing differs\n")
    listed = secure("policy", "list", "--json", who="sam").json["changes"][0]
    assert (listed["state"], listed["comment"]) == ("activated", "good")
    hallmark("policy", "list", code=3)


@pytest.mark.slow
def test_reject_and_withdraw(secure: Hallmark, files: Path, team: Team) -> None:
    """A proposal that is rejected or withdrawn changes nothing; a dry run stores nothing."""
    edit(files, "settings.yaml", "custom: {}", f"custom: {{other: {team.namespace}}}")
    words = ("policy", "propose", str(files), "--note", "n")
    assert "Would propose" in secure(*words, "--dry-run", who="sam").out
    first = secure(*words, who="sam").out.split()[2]
    assert "rejected" in secure("policy", "reject", first, who="eve").out
    second = secure(*words, who="sam").out.split()[2]
    assert "withdrawn" in secure("policy", "withdraw", second, who="sam").out


@pytest.mark.slow
def test_bad_files_are_not_proposed(secure: Hallmark, files: Path) -> None:
    """The server tells what is wrong with files, by file and line."""
    edit(files, "fetch.yaml", "gate: fetch", "gate: fetch\nmore: 1")
    done = secure("policy", "propose", str(files), "--note", "n", who="sam", code=2)
    assert "fetch.yaml:4: no such key 'more'" in done.err


@pytest.mark.slow
def test_explain(hallmark: Hallmark, team: Team, folder: Path) -> None:
    """A decision is explained with every rule, its document, and that it says the same today."""
    model = f"{team.namespace}/scorer"
    hallmark("push", str(folder), model, "--wait")
    number = hallmark("promote", f"{model}@1", "staging", "--json").json["name"]
    grants = (f"alice-{team.namespace}", f"reviewer:{team.namespace}")
    hallmark("principal", "grant", *grants, who="admin")
    refused = hallmark("decide", number, "--approve", code=1)
    assert "Refused by policy promote (1 of 12 rules):\n  SOD-1  " in refused.err
    assert "Then it waits for decisions: FOUR-EYES.\n" in refused.err
    assert "Nothing changed." in refused.err
    hallmark("decide", number, "--approve", who="bob")
    out = hallmark("policy", "explain", number).out
    assert "the approval by bob" in out
    assert "✓ SOD-1" in out
    assert "size() ==" not in out, "expressions are for those who write rules"
    assert out.endswith("The same rules say the same to it now.\n")
    asked = hallmark("policy", "explain", number, "--decider", "-").out
    assert "the request" in asked
    assert "… FOUR-EYES" in asked
    assert f"hallmark decide {number.rpartition('/')[2]} --approve" in asked
    assert " = \n" not in asked
    assert "PROMOTION" not in asked
    shown = hallmark("policy", "explain", number, "--document", "--json").json
    assert shown["version"]["ref"] == f"{model}@1"
    assert shown["decisions"][0]["by"].startswith("bob")


@pytest.mark.slow
def test_explain_a_rejection(hallmark: Hallmark, team: Team, folder: Path) -> None:
    """A rejection is explained as an approval is: by what was known at that moment."""
    model = f"{team.namespace}/scorer"
    hallmark("push", str(folder), model, "--wait")
    number = hallmark("promote", f"{model}@1", "staging", "--json").json["name"]
    hallmark("decide", number, "--reject", "--comment", "not yet", who="bob")
    out = hallmark("policy", "explain", number).out
    assert "the rejection by bob" in out
    assert "… FOUR-EYES" in out
    assert out.endswith("The same rules say the same to it now.\n")
    shown = hallmark("policy", "explain", number, "--json").json
    assert (shown["outcome"], shown["document"]["version"]["verdict"]) == ("reject", "pass")


@pytest.mark.slow
def test_try(hallmark: Hallmark, team: Team, folder: Path) -> None:
    """A gate is tried without a request: what waits is no refusal, what fails is."""
    model = f"{team.namespace}/scorer"
    (folder / "model.pkl").write_bytes(b"\x80\x04N.")
    hallmark("push", str(folder), model, "--wait")
    staging = hallmark("policy", "try", f"{model}@1", "promote", "--stage", "staging")
    assert "… FOUR-EYES" in staging.out
    assert f"hallmark promote {model}@1 staging" in staging.out
    dry = hallmark("promote", f"{model}@1", "staging", "--dry-run").out
    for out in (staging.out, dry):
        assert "PROMOTION" not in out
        assert " = \n" not in out
    assert "PROMOTION" not in hallmark("promote", f"{model}@1", "production", code=1).err
    production = hallmark("policy", "try", f"{model}@1", "promote", "--stage", "production", code=1)
    assert "✗ FMT-1" in production.out
    assert "denied_formats = pickle" in production.out
    assert hallmark("policy", "try", f"{model}@1", "fetch", "--json").json["results"][0]["passed"]
    hallmark("policy", "try", f"{model}@1", "promote", code=2)


@pytest.mark.parametrize(
    ("fix", "problem"),
    [
        ("Do it: hallmark promote fraud/m@7 production", ""),
        ("Do it: hallmark promote fraud/m@7", "stage is missing"),
        ("Do it: hallmark promote fraud/m@7 production now", "too much"),
        ("Do it: hallmark promote fraud/m@7 production --quick", "--quick"),
        ("Do it: hallmark ascend fraud/m@7", "ascend"),
        ("Do it: hallmark version", "a command is missing"),
        ("Do it: hallmark version show 'fraud", "quotation"),
        ("Wait.", "no command"),
    ],
)
def test_commands_of_remedies(fix: str, problem: str) -> None:
    """A remedy's command is read as it would be typed."""
    found = command_problem(fix)
    assert (found == "") == (problem == "")
    assert problem in found


def test_the_command_is_what_comes_last() -> None:
    """Words before the command are no part of it."""
    assert command_of("Use hallmark x: hallmark info.") == "hallmark info"
    assert isinstance(cli, click.Group)
