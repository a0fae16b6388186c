"""token: create, list, rotate and revoke tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.params import Moment, ScopeParam, Span
from registry.cli.session import Session, limit_option, with_session
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.client.values import NewToken, Scope

_LIFE = timedelta(days=30)


@click.group("token", cls=Group)
def token() -> None:
    """Create, list, rotate and revoke tokens."""


@token.command("create")
@click.argument("principal", default="")
@click.option("--label", default="", help="What it is for.")
@click.option(
    "--expires",
    type=Moment(ahead=True),
    default=None,
    help="When it ends: at most 366 days ahead for people, 90 for robots. If not said, in 30 days; "
    "one of your own no later than the token that you ask with.",
)
@click.option(
    "--scope",
    "scopes",
    type=ScopeParam(),
    multiple=True,
    help="What alone it is good for, such as 'version.fetch:fraud/*@production'. May be repeated.",
)
@with_session
def create(
    session: Session,
    principal: str,
    label: str,
    expires: datetime | None,
    scopes: tuple[tuple[str, str, str], ...],
) -> None:
    """Create a token for yourself, or as an administrator for PRINCIPAL.

    The secret is printed once, alone on standard output, so that it can go straight to a file.
    """
    ends = expires or datetime.now(UTC) + _LIFE
    owner = principal
    if not owner:
        caller = session.client.principals.caller()
        owner = caller.principal.name
        if expires is None and caller.token and caller.token.expire_time:
            ends = min(ends, caller.token.expire_time)
    made = session.client.tokens.create(
        owner, label=label, expire_time=ends, scopes=_scopes(scopes)
    )
    _tell(session, made)


@token.command("rotate")
@click.argument("name", metavar="TOKEN")
@click.option(
    "--overlap",
    type=Span(),
    default="24h",
    show_default=True,
    help="For how long the old one goes on: at most 7d.",
)
@click.option(
    "--expires",
    type=Moment(ahead=True),
    default=None,
    help="When the new one ends; it lives as long as the old one was to, if not said.",
)
@with_session
def rotate(session: Session, name: str, overlap: timedelta, expires: datetime | None) -> None:
    """Make a successor of a token, with the same owner, label and scopes; the old one ends soon.

    The secret is printed as `token create` does.
    """
    made = session.client.tokens.rotate(
        _whole_name(session, name), overlap=overlap, expire_time=expires
    )
    _tell(session, made)
    session.note(f"The old one goes on until {output.when(datetime.now(UTC) + overlap)} at most.")


def _tell(session: Session, made: NewToken) -> None:
    """The secret once, alone on standard output; all else beside it."""
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
        f"Token {name}, valid until {output.when(made.token.expire_time)}.\n"
        "Its secret is shown this once:"
    )
    session.say(made.secret)
    if made.token.scopes:
        session.note(f"It is good for {', '.join(map(output.scope, made.token.scopes))}.")
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
            ", ".join(map(output.scope, each.scopes)) or "everything",
            state(each.revoke_time, each.expire_time),
            f"last used {output.when(each.last_use_time)}" if each.last_use_time else "never used",
        )
        for each in found
    ]
    session.emit(
        {"tokens": found}, session.table(rows, ("token", "label", "scopes", "state", "use"))
    )


@token.command("revoke")
@click.argument("name", metavar="TOKEN|PRINCIPAL", default="")
@click.option("--all", "everything", is_flag=True, help="All of yours, or of PRINCIPAL.")
@click.option("--except-current", is_flag=True, help="With --all: keep the one in use.")
@with_session
def revoke(session: Session, name: str, everything: bool, except_current: bool) -> None:
    """Revoke a token for good, by its name principals/.../tokens/..., or with --all all of them."""
    if everything:
        owner = name or session.client.principals.caller().principal.name
        count = session.client.tokens.revoke_all(owner, except_current=except_current)
        session.emit(
            {"revoked_count": count},
            [f"Revoked {output.counted(count, 'token')} of {output.path_of(owner)}."],
        )
        return
    if not name or except_current:
        raise click.UsageError("Name a token, or say --all.")
    gone = session.client.tokens.revoke(_whole_name(session, name))
    session.emit(
        gone,
        [
            f"Revoked {gone.name}; it is refused from now on.",
            "This cannot be undone; a new one: hallmark token create",
        ],
    )


def _whole_name(session: Session, name: str) -> str:
    """The name of a token of which perhaps only the id is given: one of your own."""
    if "/tokens/" in name:
        return name
    return f"{session.client.principals.caller().principal.name}/tokens/{name}"


def _scopes(given: tuple[tuple[str, str, str], ...]) -> list[Scope]:
    from registry.client.values import Scope

    return [Scope(action=action, model=model, stage=stage) for action, model, stage in given]
