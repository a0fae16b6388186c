"""Whether a remedy can be typed: the command of each way out, read by our own command line."""

from __future__ import annotations

import re
import shlex
from enum import Enum

import click

from registry.cli.tree import cli

_PROGRAM = "hallmark "
#: Between two ways out.
_OR = "; or "
#: What whoever types it replaces.
_PLACEHOLDER = re.compile(r"[A-Z]+")


def command_of(way: str) -> str:
    """The command that a way out ends in, without the words before it; "" where there is none."""
    place = way.rfind(_PROGRAM)
    return way[place:].rstrip(" .") if place >= 0 else ""


def command_problem(fix: str) -> str:
    """What is wrong with the first command of a remedy that does not parse; "" where all do."""
    return next(filter(None, map(_problem_of, fix.split(_OR))), "")


def _problem_of(way: str) -> str:
    command = command_of(way)
    if not command:
        return "found no command: expected it to end in hallmark ..."
    try:
        words = shlex.split(command)[1:]
    except ValueError as error:
        return f"{command}: {error}"
    try:
        _parse(cli, words)
    except click.UsageError as error:
        return f"{command}: {error.format_message()}"
    return ""


def _parse(command: click.Command, words: list[str]) -> None:
    """Find the command and see that options and arguments fit, and values of our own types, such
    as times; files and models of a remedy need not be here."""
    context = click.Context(command, info_name=command.name)
    if isinstance(command, click.Group):
        if not words:
            raise click.UsageError("a command is missing.")
        _, found, rest = command.resolve_command(context, words)
        if found is None:
            raise click.UsageError(f"there is no command {words[0]!r}.")
        _parse(found, rest)
        return
    given, left, _ = command.make_parser(context).parse_args(list(words))
    if left:
        raise click.UsageError(f"{' '.join(map(str, left))!r} is too much.")
    for each in command.params:
        value = given.get(each.name or "")
        if each.required and not _is_given(value):
            raise click.UsageError(f"{each.name} is missing.")
        if _is_given(value) and not isinstance(each.type, click.Path | click.File):
            for one in value if isinstance(value, list | tuple) else [value]:
                if not _PLACEHOLDER.fullmatch(str(one)):
                    each.type.convert(one, each, context)


def _is_given(value: object) -> bool:
    """Whether click found it on the line; what it did not find it says with an enumeration."""
    return bool(value) and not isinstance(value, Enum)
