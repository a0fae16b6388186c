"""The tree of commands: table, help, shortened words, exit codes, and what is loaded when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import grpc
import pytest

from registry.cli import exits, tree
from registry.cli.errors import error_lines, rule_lines
from registry.cli.lineage import lineage_lines
from registry.cli.reference import rows, table
from registry.cli.tree import COMMANDS, cli, complete_word
from registry.client.errors import PolicyRefusedError, PreconditionViolation
from registry.client.values import LineageEdge


def every_command() -> Iterator[tuple[str, click.Command]]:
    def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield name, command
        if isinstance(command, click.Group):
            for each in command.list_commands(click.Context(command)):
                found = command.get_command(click.Context(command), each)
                assert found is not None
                yield from walk(f"{name} {each}", found)

    yield from walk("hallmark", cli)


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_the_table_is_true(entry: object) -> None:
    """Every row leads to a command of that name."""
    name = getattr(entry, "name", "")
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    assert found.name == name


def test_groups_say_the_same_in_both_places() -> None:
    """A group's help in the table is the one that it shows itself."""
    for entry in COMMANDS:
        found = cli.get_command(click.Context(cli), entry.name)
        if isinstance(found, click.Group):
            assert (found.help or "").partition("\n")[0] == entry.help


def test_every_command_says_what_it_does() -> None:
    """No command and no group is without a sentence."""
    for name, command in every_command():
        assert (command.help or "").strip(), name


def test_every_command_that_asks_a_server_speaks_json() -> None:
    """--json and --url are everywhere, but for what talks to no server."""
    without = {"hallmark serve", "hallmark completion"}
    for name, command in every_command():
        if not isinstance(command, click.Group) and name not in without:
            options = {option for each in command.params for option in each.opts}
            assert {"--json", "--full", "--url"} <= options, name


def test_the_reference_has_every_command() -> None:
    """The table has a row for each command, in one line each."""
    names = {
        name.removeprefix("hallmark ")
        for name, command in every_command()
        if not isinstance(command, click.Group)
    }
    listed = {row.usage for row in rows()}
    assert len(listed) == len(names)
    assert all(any(usage.startswith(name) for usage in listed) for name in names)
    assert len(table().splitlines()) == len(names) + 2


def test_the_reference_is_up_to_date() -> None:
    """COMMANDS.md holds the table that is made from the commands."""
    written = Path(tree.__file__).with_name("COMMANDS.md")
    assert table() in written.read_text(encoding="utf-8")


def test_words_may_be_shortened() -> None:
    """A beginning that fits one name is that name; a whole name always is."""
    names = ["promote", "promotion", "pull", "push"]
    assert complete_word("pul", names, what="command") == "pull"
    assert complete_word("promote", names, what="command") == "promote"
    with pytest.raises(click.UsageError, match="promote or promotion"):
        complete_word("prom", names, what="command")
    with pytest.raises(click.UsageError, match="Did you mean pull"):
        complete_word("pulll", names, what="command")
    with pytest.raises(click.UsageError, match="There are promote"):
        complete_word("xyz", names, what="command")


@pytest.mark.parametrize("status", grpc.StatusCode)
def test_every_status_has_an_exit_code(status: grpc.StatusCode) -> None:
    """A failure never ends with 0."""
    if status is not grpc.StatusCode.OK:
        assert exits.exit_code(status.name) in (1, 2, 3, 4, 5)


def test_exit_codes() -> None:
    """Refused, wrong, not there, not reachable and not known are told apart."""
    statuses = ("FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND", "UNAVAILABLE", "UNKNOWN")
    assert [exits.exit_code(status) for status in statuses] == [1, 2, 3, 4, 5]


def test_a_refusal_names_every_rule_with_its_mend() -> None:
    """A policy's refusal has two lines a rule, and says that nothing changed."""
    rules = [("SOD-1", "alice registered it.", "Ask another."), ("FOUR-EYES", "0 of 1.", "")]
    error = PolicyRefusedError(
        "Refused",
        metadata={"gate": "promote", "total": "9"},
        precondition_violations=[
            PreconditionViolation(type=rule, subject="x", description=text, fix=fix)
            for rule, text, fix in rules
        ],
    )
    assert error_lines(error) == [
        "Refused by policy promote (2 of 9 rules):",
        "  SOD-1      alice registered it.",
        "             Ask another.",
        "  FOUR-EYES  0 of 1.",
        "Nothing changed.",
    ]
    assert rule_lines([]) == []


def test_a_refusal_says_what_it_leaves_to_decisions() -> None:
    """Rules that only wait are named at the end, since nobody can decide before the others pass."""
    error = PolicyRefusedError(
        "Refused",
        metadata={"gate": "promote", "total": "9", "waiting": "FOUR-EYES, PII-1"},
        precondition_violations=[
            PreconditionViolation(type=rule, subject="x", description="no.", fix="Wait.")
            for rule in ("CARD-1", "FOUR-EYES", "PII-1")
        ],
    )
    assert error_lines(error) == [
        "Refused by policy promote (1 of 9 rules):",
        "  CARD-1  no.",
        "          Wait.",
        "Then it waits for decisions: FOUR-EYES, PII-1.",
        "Nothing changed.",
    ]


def test_every_option_says_what_it_means() -> None:
    """No option of any command is without a word of help."""
    options = [
        (f"{name} {each.opts[0]}", each.help)
        for name, command in every_command()
        for each in command.params
        if isinstance(each, click.Option)
    ]
    assert len(options) > 300
    assert [option for option, help in options if not help] == []


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252"])
def test_any_terminal_can_show_the_output(encoding: str) -> None:
    """Where a symbol cannot be shown it is spelt out, and no command ends for that."""
    done = subprocess.run(
        [sys.executable, "-m", "registry.cli", "policy", "test"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    mark = "✓" if encoding == "utf-8" else "+"
    assert done.stdout.decode(encoding).startswith(f"{mark}  register")
    assert (done.returncode, done.stderr) == (0, b"")


def test_json_for_what_is_typed_wrong() -> None:
    """With --json, wrong usage is told as every other error is."""
    done = subprocess.run(
        [sys.executable, "-m", "registry.cli", "decide", "--json"], capture_output=True, check=False
    )
    error = json.loads(done.stderr)["error"]
    assert (done.returncode, error["reason"]) == (2, "USAGE")
    assert "PROMOTION" in error["message"]


def edge(child: str, parent: str) -> LineageEdge:
    return LineageEdge(
        child=f"models/{child}",
        parent=f"models/{parent}",
        kind="finetune",
        creator="",
        create_time=None,
        depth=1,
    )


def test_the_lineage_tree() -> None:
    """Both directions are drawn as trees; what was shown above is not unfolded twice."""
    b, a = "a/b/versions/2", "a/a/versions/1"
    up = [edge(b, a), edge(b, "a/c/versions/1"), edge(a, "a/c/versions/1")]
    down = [edge("a/d/versions/4", b)]
    assert lineage_lines(f"models/{b}", up, down) == [
        "a/b@2",
        "made from",
        "  ├─ a/a@1  finetune",
        "  │  └─ a/c@1  finetune",
        "  └─ a/c@1  finetune",
        "made into",
        "  └─ a/d@4  finetune",
    ]
    assert "nothing is known" in lineage_lines(f"models/{b}", [], [])[1]


LOADED = """
import sys
from registry.cli.run import run
try:
    run({words!r})
finally:
    loaded = {{name.split(".")[0] for name in sys.modules}}
    print(sorted(loaded & {{"grpc", "rich", "httpx", "sqlalchemy", "google"}}))
    print("registry.client" in sys.modules)
"""


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["model", "--help"], ["push", "--help"], ["nosuch"]]
)
def test_help_loads_click_alone(words: list[str]) -> None:
    """What needs no server loads neither grpc nor rich nor the client."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(words=words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-2:] == ["[]", "False"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("hallmark pu", ["push", "pull"]),
        ("hallmark version ev", ["evaluate"]),
        ("hallmark pull --sy", ["--sync"]),
        ("hallmark --ver", ["--version"]),
        ("hallmark completion z", ["zsh"]),
    ],
)
def test_the_shell_completes(words: str, expected: list[str]) -> None:
    """Commands, their commands and options are completed."""
    done = subprocess.run(
        [sys.executable, "-m", "registry.cli"],
        env={
            **os.environ,
            "_HALLMARK_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == expected
