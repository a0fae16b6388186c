"""auth: why somebody may do something, or may not."""

from __future__ import annotations

import click

from registry.cli.explain import explain
from registry.cli.tree import Group


@click.group("auth", cls=Group)
def auth() -> None:
    """Explain why somebody may do something, or may not."""


auth.add_command(explain)
