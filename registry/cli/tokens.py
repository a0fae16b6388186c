"""token: create, list and revoke tokens."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from registry.cli import output
from registry.cli.params import Moment
from registry.cli.session import Session, limit_option, with_session
from registry.cli.tree import Group


@click.group("token", cls=Group)
def token() -> None:
    """Create, list and revoke tokens."""


@token.command("create")
@click.argument("principal", default="")
@click.option("--label", default="", help="What it is for.")
@click.option(
    "--expires",
    type=Moment(ahead=True),
    default="30d",
    show_default=True,
    help="When it ends: at most 366 days ahead for people, 90 for robots.",
)
@with_session
def create(session: Session, principal: str, label: str, expires: datetime) -> None:
    """Create a token for yourself, or as an administrator for PRINCIPAL.

    The secret is printed once, alone on standard output, so that it can go straight to a file.
    """
    owner = principal or session.client.principals.caller().principal.name
    made = session.client.tokens.create(owner, label=label, expire_time=expires)
    if session.json:
        session.emit({"token": made.token, "secret": made.secret}, [])
        return
    name = made.token.name
    if not made.secret:
        session.note(
            f"Token {name} exists, but the reply with its secret was lost. Revoke it and create "
            f"another: hallmark token revoke {name}"
        )
        raise click.exceptions.Exit(5)
    session.note(
        f"Token {name} for {output.path_of(made.token.name.partition('/tokens/')[0])}, valid until "
        f"{output.when(made.token.expire_time)}. Its secret is shown this once:"
    )
    session.say(made.secret)
    session.note(f"Undo: hallmark token revoke {name}")


@token.command("list")
@click.argument("principal", default="")
@limit_option
@with_session
def list_tokens(session: Session, principal: str, limit: int) -> None:
    """List your tokens, or those of PRINCIPAL; newest first."""
    owner = principal or session.client.principals.caller().principal.name
    found = session.rows(session.client.tokens.list(owner), limit)
    now = datetime.now(UTC)

    def state(revoked: datetime | None, expires: datetime | None) -> str:
        if revoked:
            return f"revoked {output.when(revoked)}"
        if expires and expires <= now:
            return f"expired {output.when(expires)}"
        return f"valid until {output.when(expires)}"

    rows = [
        (
            each.name,
            each.label,
            state(each.revoke_time, each.expire_time),
            f"last used {output.when(each.last_use_time)}" if each.last_use_time else "never used",
        )
        for each in found
    ]
    session.emit({"tokens": found}, session.table(rows, ("token", "label", "state", "use")))


@token.command("revoke")
@click.argument("name", metavar="TOKEN")
@with_session
def revoke(session: Session, name: str) -> None:
    """Revoke a token for good, by its name principals/.../tokens/..."""
    if "/tokens/" not in name:
        owner = session.client.principals.caller().principal.name
        name = f"{owner}/tokens/{name}"
    gone = session.client.tokens.revoke(name)
    session.emit(
        gone,
        [
            f"Revoked {gone.name}; it is refused from now on.",
            "This cannot be undone; a new one: hallmark token create",
        ],
    )
