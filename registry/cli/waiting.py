"""Waiting for a version's verdict."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from registry.cli import exits
from registry.cli.session import Session, command_line
from registry.cli.shapes import finding_lines, grace, held_lines

if TYPE_CHECKING:
    from registry.client.values import Version

_POLL_S = 0.25


def await_verdict(session: Session, version: Version) -> Version:
    """The version once vetting has said something of it."""
    try:
        while version.state == "quarantined" and not version.vetting.verdict:
            time.sleep(_POLL_S)
            version = session.client.versions.get(version.ref)
    except KeyboardInterrupt:
        session.note(f"\nVetting goes on without you. See it with:\n  {command_line()}")
        raise click.exceptions.Exit(exits.INTERRUPTED) from None
    return version


def verdict_lines(version: Version) -> list[str]:
    verdict = version.vetting.verdict or "unknown"
    until = grace(version)
    return [
        f"{version.ref} is {version.state}: vetting says {verdict}.",
        *([f"  grace  {until}"] if until else []),
        *finding_lines(version.vetting.findings),
        *held_lines(version),
    ]


def verdict_exit(version: Version) -> int:
    """0 for a pass, 1 for a fail or what the policy holds back, 5 where vetting could not tell."""
    if version.vetting.verdict not in ("pass", "fail"):
        return exits.CANNOT_TELL
    is_held = version.vetting.verdict == "fail" or version.state == "vetted"
    return exits.REFUSED if is_held else exits.DONE
