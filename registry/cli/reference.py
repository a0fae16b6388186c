"""The table of commands in COMMANDS.md, made from the commands themselves.

`python -m registry.cli.reference` prints it; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click

from registry.cli.tree import cli

_COMMON = frozenset({"--json", "--full", "--url", "--help"})


@dataclass(frozen=True, kw_only=True)
class Row:
    """One command: as it is typed, and what it does."""

    usage: str
    help: str


def rows() -> tuple[Row, ...]:
    """Every command in the order of `--help`, a group's commands in its place."""
    root = click.Context(cli, info_name="hallmark")
    return tuple(row for name in cli.list_commands(root) for row in _rows(root, cli, name))


def table() -> str:
    """The rows as Markdown."""
    lines = ["| Command | What it does |", "|---|---|"]
    lines += [f"| `{_escaped(row.usage)}` | {_escaped(row.help)} |" for row in rows()]
    return "\n".join(lines)


def _rows(context: click.Context, group: click.Group, name: str) -> Iterator[Row]:
    command = group.get_command(context, name)
    if command is None:
        raise LookupError(name)
    own = click.Context(command, info_name=name, parent=context)
    if isinstance(command, click.Group):
        for each in command.list_commands(own):
            yield from _rows(own, command, each)
        return
    words = [own.command_path.removeprefix("hallmark "), *_arguments(own), *_options(own)]
    first = (command.help or "").partition("\n\n")[0]
    yield Row(usage=" ".join(words), help=" ".join(first.split()))


def _arguments(context: click.Context) -> list[str]:
    return [
        parameter.make_metavar(context)
        for parameter in context.command.params
        if isinstance(parameter, click.Argument)
    ]


def _options(context: click.Context) -> list[str]:
    return [
        parameter.opts[0] if parameter.required else f"[{parameter.opts[0]}]"
        for parameter in context.command.params
        if isinstance(parameter, click.Option) and not _COMMON & set(parameter.opts)
    ]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    click.echo(table())
