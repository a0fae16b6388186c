"""Runs a command and turns however it ends into words and an exit code."""

from __future__ import annotations

import codecs
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import click

from registry.cli import exits, output
from registry.cli.tree import cli

if TYPE_CHECKING:
    from registry.cli.errors import Failure


_SPELT = {"…": "...", "✓": "+", "✗": "x", "├": "|", "└": "`", "│": "|", "─": "-", "━": "="}


def run(args: Sequence[str] | None = None) -> None:
    """Run one command line, by default the process's own, and exit."""
    words = list(sys.argv[1:] if args is None else args)
    _spell_out_symbols()
    try:
        code = cli.main(args=words, prog_name="hallmark", standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as wrong:
        # What was typed may be a token where a name belongs.
        click.echo(_redacted(_usage(wrong, json="--json" in words)), err=True, nl=False)
        code = wrong.exit_code
    except click.Abort:
        click.echo("\nInterrupted.", err=True)
        code = exits.INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has enough, as `head` does; nothing more can be told to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = exits.REFUSED
    except _known_errors() as error:
        code = _told(error, json="--json" in words)
    except Exception:  # noqa: BLE001 - a bug of ours: what happened is not known, and shown whole
        click.echo(_redacted(traceback.format_exc()), err=True, nl=False)
        click.echo("This is a bug in hallmark. Please report it with what stands above.", err=True)
        code = exits.CANNOT_TELL
    sys.exit(code if isinstance(code, int) else exits.DONE)


def _spell_out_symbols() -> None:
    """On a terminal or pipe that cannot show our symbols, others stand for them, and ? for what
    people wrote; a command does not end for that. (For ASCII click writes UTF-8 all the same.)"""
    codecs.register_error("hallmark", _spelt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and output.is_narrow(stream):
            stream.reconfigure(errors="hallmark")


def _spelt(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(_SPELT.get(each, "?") for each in wrong), error.end


def _usage(wrong: click.ClickException, *, json: bool) -> str:
    """What is wrong with the words typed, for people or as the other errors in JSON."""
    if json:
        said = {"status": "INVALID_ARGUMENT", "reason": "USAGE", "message": wrong.format_message()}
        return f"{output.as_json({'error': said})}\n"
    shown = io.StringIO()
    wrong.show(shown)
    return shown.getvalue()


def _redacted(text: str) -> str:
    from registry.errors.redaction import redacted

    return redacted(text)


def _known_errors() -> tuple[type[Exception], ...]:
    """What is raised on purpose. The client's errors exist only where it was loaded."""
    from registry.errors import HallmarkError

    if "registry.client.errors" not in sys.modules:
        return (HallmarkError,)
    from registry.client.errors import ClientError

    return (HallmarkError, ClientError)


def _told(error: Exception, *, json: bool) -> int:
    """Print the error, and return its exit code."""
    from registry.cli.errors import error_json, error_lines
    from registry.cli.session import fitting

    failure = cast("Failure", error)
    lines = [error_json(failure)] if json else fitting("\n".join(error_lines(failure)), sys.stderr)
    for line in lines:
        click.echo(line, err=True)
    return exits.exit_code(failure.status)
