"""access: terms of models, and who accepted them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.finding import find_model
from registry.cli.session import Session, limit_option, with_session
from registry.cli.shapes import number_in, said
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.client.judged import Acceptance, ModelTerms

terms_option = click.option(
    "--terms", "digest", required=True, help="Digest of the terms that were read."
)
robot_option = click.option(
    "--on-behalf-of", "robot", default="", help="A robot; else for yourself."
)


@click.group("access", cls=Group)
def access() -> None:
    """Show and set models' terms, accept them, let people in."""


@access.command("terms")
@click.argument("model")
@with_session
def terms(session: Session, model: str) -> None:
    """Show a model's terms, and how to accept them."""
    path = find_model(session, model)
    found = session.client.terms.get(path)
    approval = "each acceptance needs an approval" if found.approval_required else ""
    details = [
        ("set", f"{output.when(found.create_time)} by {output.path_of(found.creator)}"),
        ("where", found.url),
        ("valid for", output.counted(found.validity_days, "day")),
        ("approval", approval),
        ("digest", found.digest),
    ]
    session.emit(
        found,
        [
            f"Terms {found.label} of {path}",
            *output.details(details),
            *(["", *found.text.splitlines(), ""] if found.text else []),
            f"Accept: {accept_command(path, found)}",
        ],
    )


def accept_command(path: str, terms: ModelTerms) -> str:
    """What accepts a model's terms."""
    if terms.approval_required:
        return f"hallmark access request {path} --terms {terms.digest} --reason WHY"
    return f"hallmark access accept {path} --terms {terms.digest}"


@access.command("set")
@click.argument("model")
@click.option("--label", default="", help="Their version, such as v2.")
@click.option(
    "--terms-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of the text, UTF-8.",
)
@click.option("--terms-url", default="", help="Where they stand.")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=365,
    show_default=True,
    help="How long an acceptance counts.",
)
@click.option("--approval", is_flag=True, help="Somebody has to approve each acceptance.")
@click.option("--none", "nothing", is_flag=True, help="Take the terms away.")
@click.option("--expect", "etag", default="", help="Only in place of the terms with this digest.")
@with_session
def set_terms(
    session: Session,
    model: str,
    label: str,
    terms_file: Path | None,
    terms_url: str,
    days: int,
    approval: bool,
    nothing: bool,
    etag: str,
) -> None:
    """Give a model terms; from then on its files go only to those who accepted them."""
    path = find_model(session, model)
    if nothing:
        if label or terms_file or terms_url or approval:
            raise click.UsageError("--none goes with --expect alone.")
        session.client.terms.clear(path, etag=etag)
        session.emit({}, [f"{path} has no terms now."])
        return
    found = session.client.terms.set(
        path,
        label=label,
        text=_text_of(terms_file) if terms_file else "",
        url=terms_url,
        validity_days=days,
        approval_required=approval,
        etag=etag,
    )
    session.emit(
        found,
        [
            f"{path} has terms {found.label} now: {found.digest}",
            "Acceptances of other terms count no more.",
            f"Undo: set those before again, or: hallmark access set {path} --none",
        ],
    )


@access.command("accept")
@click.argument("model")
@terms_option
@robot_option
@with_session
def accept(session: Session, model: str, digest: str, robot: str) -> None:
    """Accept a model's terms, for yourself or a robot of yours."""
    path = find_model(session, model)
    found = session.client.terms.accept(path, terms_digest=digest, on_behalf_of=robot)
    session.emit(found, _accepted_lines(found))


@access.command("request")
@click.argument("model")
@terms_option
@click.option("--reason", required=True, help="Why; shown to those who decide.")
@robot_option
@with_session
def request(session: Session, model: str, digest: str, reason: str, robot: str) -> None:
    """Accept terms that need an approval, and ask for it."""
    path = find_model(session, model)
    found = session.client.terms.request(
        path, terms_digest=digest, reason=reason, on_behalf_of=robot
    )
    session.emit(found, _accepted_lines(found))


@access.command("decide")
@click.argument("number", metavar="ACCEPTANCE")
@click.option("--approve", "outcome", flag_value="approve", help="Let in.")
@click.option("--reject", "outcome", flag_value="reject", help="Refuse.")
@click.option("--comment", default="", help="Why.")
@with_session
def decide(session: Session, number: str, outcome: str | None, comment: str) -> None:
    """Let somebody in who asked for access, or not."""
    if outcome is None:
        raise click.UsageError("Say --approve or --reject.")
    found = session.client.terms.decide(_number(number), outcome, comment=comment)
    session.emit(found, _accepted_lines(found))


@access.command("show")
@click.argument("number", metavar="ACCEPTANCE")
@with_session
def show(session: Session, number: str) -> None:
    """Show an acceptance, or a request for one: whose, of which terms, why, and who decided."""
    found = session.client.terms.acceptance(_number(number))
    who, model = output.path_of(found.principal), output.path_of(found.model)
    by = output.path_of(found.requester)
    asked = f"{output.when(found.create_time)} by {by}"
    session.emit(
        found,
        [
            f"Acceptance {found.number}: {who} for {model}   {found.state}",
            *output.details(
                [
                    ("terms", f"{found.terms_label}   hallmark access terms {model}"),
                    ("digest", session.digest(found.terms_digest)),
                    ("asked", asked),
                    ("reason", found.reason),
                    ("decision", said(found.decision) if found.decision else ""),
                    ("ended", output.when(found.end_time)),
                    ("until", output.when(found.expire_time) if not found.end_time else ""),
                ]
            ),
        ],
    )


@access.command("list")
@click.argument("scope", metavar="[MODEL|NAMESPACE]", default="")
@click.option("--principal", default="", help="Only of this person or robot.")
@click.option("--mine", is_flag=True, help="Only your own.")
@click.option(
    "--state",
    type=click.Choice(["pending", "granted", "rejected", "revoked", "expired"]),
    help="Only those.",
)
@limit_option
@with_session
def list_acceptances(
    session: Session, scope: str, principal: str, mine: bool, state: str | None, limit: int
) -> None:
    """List who accepted which terms, newest first."""
    if mine:
        principal = session.client.principals.caller().principal.name
    listing = session.client.terms.acceptances(scope, principal=principal, state=state or "")
    found = session.rows(listing, limit)
    rows = [
        (
            str(each.number),
            output.path_of(each.model),
            f"terms {each.terms_label}",
            output.path_of(each.principal),
            each.state,
            f"until {output.when(each.end_time or each.expire_time)}",
        )
        for each in found
    ]
    headers = ("number", "model", "terms", "who", "state", "time")
    session.emit({"acceptances": found}, session.table(rows, headers))


@access.command("revoke")
@click.argument("number", metavar="ACCEPTANCE")
@click.option("--comment", default="", help="Why.")
@with_session
def revoke(session: Session, number: str, comment: str) -> None:
    """End an acceptance or a request, at once also for downloads under way."""
    found = session.client.terms.revoke(_number(number), comment=comment)
    who, model = output.path_of(found.principal), output.path_of(found.model)
    # Whoever gave a reason had to ask.
    verb, why = ("request", " --reason WHY") if found.reason else ("accept", "")
    again = f"Anew: hallmark access {verb} {model} --terms {found.terms_digest}{why}"
    session.emit(found, [f"Acceptance {found.number} of {who} is {found.state}.", again])


def _accepted_lines(found: Acceptance) -> list[str]:
    what = f"{output.path_of(found.principal)} for {output.path_of(found.model)}"
    number = found.number
    if found.state == "pending":
        return [
            f"Acceptance {number} waits for an approval: {what}, terms {found.terms_label}.",
            f"  hallmark access decide {number} --approve",
            f"Undo: hallmark access revoke {number}",
        ]
    if found.state == "granted":
        until = output.when(found.expire_time)
        return [
            f"Acceptance {number} counts until {until}: {what}, terms {found.terms_label}.",
            f"Undo: hallmark access revoke {number}",
        ]
    return [f"Acceptance {number} is {found.state}: {what}."]


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as cause:
        raise click.BadParameter(f"{file} is not UTF-8.", param_hint="--terms-file") from cause


def _number(text: str) -> str:
    return number_in(text, "acceptance", "access", "acceptances")
