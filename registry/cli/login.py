"""login, logout, whoami: which server, and as whom."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.session import Session, with_session

if TYPE_CHECKING:
    from registry.client import Client
    from registry.client.values import Caller


@click.command("login")
@click.argument("address", metavar="URL")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file that holds a token; else HALLMARK_TOKEN, else you are asked.",
)
@with_session
def login(session: Session, address: str, token_file: Path | None) -> None:
    """Log in to a server, with a password or a token.

    On a terminal you are asked for user and password, where the server knows the company's
    directory; what is stored is a token that is good for some hours. A token that you have is
    tried first. Neither is ever taken from the command line, where other users of this machine
    could read it.
    """
    from registry.client import Client
    from registry.client.credentials import (
        StoredLogin,
        checked_url,
        load_logins,
        save_logins,
        store_path,
        token_in_file,
    )

    url = checked_url(address)
    if token_file is not None:
        token = token_in_file(token_file)
    else:
        token = os.environ.get("HALLMARK_TOKEN") or _asked(session, url)
    if not token.strip():
        raise click.UsageError(
            "Found no token. Run this on a terminal, or give --token-file or HALLMARK_TOKEN."
        )
    with Client(url, token=token.strip()) as client:
        caller = client.principals.caller()
    expires = caller.token.expire_time if caller.token else None
    path = store_path()
    stored = StoredLogin(
        token=token.strip(),
        principal=caller.principal.name,
        expire_time=expires.isoformat() if expires else "",
    )
    save_logins(path, load_logins(path).with_login(url, stored))
    session.emit(
        {"url": url, "caller": caller, "store": path},
        [
            f"Logged in to {url} as {caller.principal.id}"
            + (f" (groups: {', '.join(caller.groups)})" if caller.groups else "")
            + (f". Token valid until {output.when(expires)}." if expires else "."),
            f"Stored in {path}; forget it with: hallmark logout",
        ],
    )


@click.command("logout")
@click.argument("address", metavar="[URL]", default="")
@click.option("--revoke", is_flag=True, help="Also revoke the token at the server, for good.")
@with_session
def logout(session: Session, address: str, revoke: bool) -> None:
    """Forget a server's token: that of URL, or of the server last logged in to."""
    from registry.client import Client
    from registry.client.credentials import checked_url, load_logins, save_logins, store_path

    path = store_path()
    logins = load_logins(path)
    url = checked_url(address) if address else logins.current
    login = logins.servers.get(url)
    if login is None:
        session.emit({"url": url, "forgotten": False}, ["No token is stored; nothing to do."])
        return
    if revoke:
        with Client(url, token=login.token) as client:
            caller = client.principals.caller()
            if caller.token is not None:
                client.tokens.revoke(caller.token.name)
    save_logins(path, logins.without(url))
    done = "Revoked and forgot" if revoke else "Forgot"
    session.emit(
        {"url": url, "forgotten": True, "revoked": revoke},
        [f"{done} the token for {url}. Log in again with: hallmark login {url}"],
    )


@click.command("whoami")
@with_session
def whoami(session: Session) -> None:
    """Show who you are at the server, and what you may do there."""
    caller = session.client.principals.caller()
    session.emit(caller, _caller_lines(session, caller))


def _asked(session: Session, url: str) -> str:
    """A token: that of a login with a password, one that is typed, or a line that is piped in."""
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    from registry.client import Client

    with Client(url, token="") as client:
        if client.info().password_login:
            session.note("Leave the user empty to give a token instead.")
            user: str = click.prompt("User", default="", show_default=False)
            if user:
                return _with_password(client, user)
    typed: str = click.prompt("Token", hide_input=True)
    return typed


def _with_password(client: Client, user: str) -> str:
    """A new token for a password, which is only asked for where nobody can read it on its way."""
    from registry.client.credentials import keeps_secrets

    if not keeps_secrets(client.url):
        raise click.UsageError(
            f"{client.url} is not encrypted, and your password could be read on its way. "
            "Use the server's https:// address."
        )
    password: str = click.prompt("Password", hide_input=True)
    return client.identity.login(user, password, label=f"login from {platform.node()}"[:200]).secret


def _caller_lines(session: Session, caller: Caller) -> list[str]:
    who = caller.principal
    name = f" ({who.display_name})" if who.display_name else ""
    grants = list(map(output.grant, who.grants))
    grants += [f"{output.grant(each)}, by group" for each in caller.group_grants]
    token = scopes = workload = ""
    if caller.token is not None:
        label, expires = caller.token.label or caller.token.name, caller.token.expire_time
        if caller.token.creator.startswith("workload:"):
            workload, label = label, "exchanged"
        scopes = "\n".join(map(output.scope, caller.token.scopes))
        left = f", {_left(expires)} left" if expires else ""
        token = f"{label}, until {output.when(expires)}{left}"
    return [
        f"{who.id}{name}, {who.kind}, at {session.client.url}",
        *output.details(
            [
                ("workload", workload),
                ("groups", ", ".join(caller.groups)),
                ("grants", "\n".join(grants) or "none"),
                ("token", token),
                ("scopes", scopes),
            ]
        ),
    ]


def _left(expires: datetime) -> str:
    minutes = max(0.0, (expires - datetime.now(UTC)).total_seconds() / 60)
    if minutes < 120:
        return f"{minutes:.0f} minutes"
    return f"{minutes / 1440:.0f} days" if minutes >= 2880 else f"{minutes / 60:.0f} hours"
