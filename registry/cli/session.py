"""What every command works with: the client, and one way to speak to people and to programs."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from registry.cli import output

if TYPE_CHECKING:
    from registry.client import Client, Progress
    from registry.client.errors import NotFoundError

P = ParamSpec("P")
R = TypeVar("R")
Item = TypeVar("Item")

LIMIT = 100


class Session:
    """One run of one command. `url` is what --url named, empty where it was left out."""

    def __init__(self, *, json: bool = False, full: bool = False, url: str = "") -> None:
        self.json = json
        self.full = full
        self.url = url
        self._left_out = 0

    @cached_property
    def client(self) -> Client:
        from registry.client import Client
        from registry.client.credentials import exchanged_folder

        return Client(self.url, exchanged_folder=exchanged_folder())

    @cached_property
    def progress(self) -> Progress:
        """Bars on a terminal, now and then a line elsewhere, nothing where a program listens."""
        from registry.cli.bars import progress_for

        return progress_for(self)

    @property
    def has_client(self) -> bool:
        return "client" in self.__dict__

    def close(self) -> None:
        if self.has_client:
            self.client.close()

    def emit(self, value: Any, lines: Iterable[str], *, empty: str = "Nothing found.") -> None:
        """The result: the value in JSON, or the lines for people, who are told where none is."""
        if self.json:
            click.echo(output.as_json(value, narrow=output.is_narrow(sys.stdout)))
            return
        said = list(lines)
        for line in said:
            self.say(line)
        if not said:
            self.note(empty)
        if self._left_out:
            self.note(f"Only the first {self._left_out} are shown; all of them: --limit 0")

    def say(self, text: str) -> None:
        for line in fitting(text, sys.stdout):
            click.echo(line, color=colours(sys.stdout))

    def note(self, text: str) -> None:
        """Something beside the result, for people alone."""
        if not self.json:
            for line in fitting(text, sys.stderr):
                click.echo(line, err=True, color=colours(sys.stderr))

    def digest(self, text: str) -> str:
        return output.digest(text, full=self.full)

    def rows(self, items: Iterator[Item], limit: int) -> list[Item]:
        """At most `limit` items (0: all); `emit` says so where there are more."""
        if limit == 0:
            return list(items)
        found = list(islice(items, limit + 1))
        if len(found) > limit:
            self._left_out = limit
        return found[:limit]

    def table(self, rows: Iterable[tuple[str, ...]], headers: tuple[str, ...]) -> list[str]:
        """Columns; headers are for terminals only, so that a pipe gets rows and nothing else, and
        for those that are wide enough."""
        listed = list(rows)
        if not sys.stdout.isatty():
            return output.table(listed)
        headed = output.table(listed, headers)
        fits = all(len(line) <= shutil.get_terminal_size().columns for line in headed)
        return headed if fits else output.table(listed)


def fitting(text: str, stream: Any) -> list[str]:
    """What to print of a text: on a terminal no line is longer than that, save for a command."""
    lines = output.printable(text).split("\n")
    if not stream.isatty():
        return lines
    width = shutil.get_terminal_size().columns
    return [piece for line in lines for piece in output.folded(line, width)]


def colours(stream: Any) -> bool:
    """Whether colours are wanted: on a terminal, unless NO_COLOR is set."""
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR")


def moves(stream: Any) -> bool:
    """Whether bars can be drawn: on a terminal whose cursor can be moved, in colours or without."""
    return bool(stream.isatty()) and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def command_line() -> str:
    """What was typed, as it can be typed again."""
    return shlex.join(["hallmark", *sys.argv[1:]])


def with_session(function: Callable[Concatenate[Session, P], R]) -> Callable[..., R]:
    """Give a command its session, and the options that every command has."""

    @click.option("--json", "json", is_flag=True, help="Print JSON for programs.")
    @click.option("--full", is_flag=True, help="Print digests whole.")
    @click.option(
        "--url",
        metavar="URL",
        default="",
        help="The server; else HALLMARK_URL, else the one last logged in to.",
    )
    @functools.wraps(function)
    def wrapped(json: bool, full: bool, url: str, *args: P.args, **kwargs: P.kwargs) -> R:
        session = Session(json=json, full=full, url=url)
        try:
            return function(session, *args, **kwargs)
        except _not_found(session) as error:
            from registry.cli.finding import with_nearest

            raise with_nearest(session, error) from error.__cause__
        finally:
            session.close()

    return wrapped


def _not_found(session: Session) -> tuple[type[NotFoundError], ...]:
    """The error that can be answered with a suggestion; none before there is a client to ask."""
    if not session.has_client:
        return ()
    from registry.client.errors import NotFoundError

    return (NotFoundError,)


limit_option = click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=LIMIT,
    show_default=True,
    help="How many at most; 0 for all.",
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Check everything, change nothing, and say what would be."
)
