"""webhook: who is told of events, and how that went."""

from __future__ import annotations

import shlex
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.params import Moment
from registry.cli.session import Session, dry_run_option, limit_option, with_session
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.client.webhook_values import NewWebhook, Webhook, WebhookDelivery

#: A receiver has 10 s to reply.
_TEST_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.5

action_option = click.option(
    "--action",
    "actions",
    multiple=True,
    help="Such as stage.move, or promotion. for all of these; may be repeated.",
)


@click.group("webhook", cls=Group)
def webhook() -> None:
    """Send events to other systems, signed."""


@webhook.command("create")
@click.argument("receiver", metavar="URL")
@click.argument("namespace", metavar="NAMESPACE|PATTERN")
@action_option
@click.option("--description", default="", help="Whose it is, and what for.")
@with_session
def create(
    session: Session, receiver: str, namespace: str, actions: tuple[str, ...], description: str
) -> None:
    """Send events of a namespace, of a pattern such as 'ml-*', or of '*', to URL.

    The secret is printed once, alone on standard output, so that it can go straight to a file.
    """
    made = session.client.webhooks.create(
        receiver, namespace, actions=actions, description=description
    )
    _tell_secret(session, made, f"Made webhook {made.webhook.id}.")
    session.note(f"Try it: hallmark webhook test {made.webhook.id}")
    session.note(f"Undo: hallmark webhook delete {made.webhook.id}")


@webhook.command("list")
@limit_option
@with_session
def list_webhooks(session: Session, limit: int) -> None:
    """List webhooks of which you may read all namespaces."""
    found = session.rows(session.client.webhooks.list(), limit)
    rows = [
        (
            each.id,
            each.namespace_pattern,
            ", ".join(each.actions) or "all actions",
            _state(each),
            each.url,
        )
        for each in found
    ]
    headers = ("webhook", "namespaces", "actions", "state", "url")
    session.emit({"webhooks": found}, session.table(rows, headers))


@webhook.command("show")
@click.argument("id", metavar="WEBHOOK")
@with_session
def show(session: Session, id: str) -> None:
    """Show a webhook."""
    found = session.client.webhooks.get(id)
    created = f"{output.when(found.create_time)} by {output.path_of(found.creator)}"
    session.emit(
        found,
        [
            f"{found.id}   {_state(found)}",
            *output.details(
                [
                    ("url", found.url),
                    ("namespaces", found.namespace_pattern),
                    ("actions", ", ".join(found.actions) or "all"),
                    ("description", found.description),
                    ("created", created),
                ]
            ),
        ],
    )


@webhook.command("update")
@click.argument("id", metavar="WEBHOOK")
@click.option("--to", "to_url", help="Another URL.")
@action_option
@click.option("--all-actions", is_flag=True, help="Of all actions.")
@click.option("--description")
@click.option("--enable/--disable", "enabled", default=None, help="Send, or send nothing.")
@with_session
def update(
    session: Session,
    id: str,
    to_url: str | None,
    actions: tuple[str, ...],
    all_actions: bool,
    description: str | None,
    enabled: bool | None,
) -> None:
    """Change where it goes, of what it tells, or whether it does."""
    changes = (to_url, actions or None, all_actions or None, description, enabled)
    if all(change is None for change in changes):
        raise click.UsageError(
            "Say what to change: --to, --action, --all-actions, --description, --enable, --disable."
        )
    if actions and all_actions:
        raise click.UsageError("--action names some, --all-actions all: leave out one of them.")
    before = session.client.webhooks.get(id)
    after = session.client.webhooks.update(
        id,
        url=to_url,
        actions=actions if actions or all_actions else None,
        description=description,
        enabled=enabled,
        etag=before.etag,
    )
    undo = _undo(before, after)
    session.emit(after, [f"Changed webhook {after.id}.", *([f"Undo: {undo}"] if undo else [])])


@webhook.command("delete")
@click.argument("id", metavar="WEBHOOK")
@dry_run_option
@with_session
def delete(session: Session, id: str, dry_run: bool) -> None:
    """Delete a webhook with its log of deliveries."""
    found = session.client.webhooks.get(id)
    session.client.webhooks.delete(id, etag=found.etag, validate_only=dry_run)
    if dry_run:
        lines = [f"Would delete webhook {found.id} and its log of deliveries."]
    else:
        options = [word for action in found.actions for word in ("--action", action)]
        again = shlex.join(
            ["hallmark", "webhook", "create", found.url, found.namespace_pattern, *options]
        )
        lines = [
            f"Deleted webhook {found.id}.",
            f"This cannot be undone; a new one, with a secret of its own: {again}",
        ]
    session.emit({"name": found.name, "deleted": not dry_run}, lines)


@webhook.command("rotate")
@click.argument("id", metavar="WEBHOOK")
@click.option(
    "--overlap-hours",
    type=click.FloatRange(min=0, max=168),
    default=24.0,
    show_default=True,
    help="How long the old secret signs too; 0 where it has leaked.",
)
@with_session
def rotate(session: Session, id: str, overlap_hours: float) -> None:
    """Make a new secret; it is printed once, alone on standard output."""
    made = session.client.webhooks.rotate(id, overlap=timedelta(hours=overlap_hours))
    until = f"for {overlap_hours:g} h more" if overlap_hours else "no more"
    _tell_secret(session, made, f"Webhook {made.webhook.id} signs by the old secret {until}.")


@webhook.command("test")
@click.argument("id", metavar="WEBHOOK")
@with_session
def test(session: Session, id: str) -> None:
    """Send one request of type webhook.test, and say how it went; exit code 1 where it failed."""
    sent = session.client.webhooks.test(id)
    until = time.monotonic() + _TEST_WITHIN_S
    while sent.state == "pending" and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
        sent = next(each for each in session.client.webhooks.deliveries(id) if each.id == sent.id)
    session.emit(sent, [f"{sent.message_id}: {_outcome(sent)}"])
    if sent.state != "delivered":
        raise click.exceptions.Exit(5 if sent.state == "pending" else 1)


@webhook.command("deliveries")
@click.argument("id", metavar="WEBHOOK")
@limit_option
@with_session
def deliveries(session: Session, id: str, limit: int) -> None:
    """List what was sent and how that went, newest first."""
    found = session.rows(session.client.webhooks.deliveries(id), limit)
    rows = [
        (
            each.id,
            each.action,
            each.state,
            output.counted(len(each.attempts), "attempt"),
            output.when(each.attempts[-1].time if each.attempts else each.create_time),
            _outcome(each),
        )
        for each in found
    ]
    headers = ("delivery", "action", "state", "attempts", "last", "outcome")
    session.emit({"deliveries": found}, session.table(rows, headers))


@webhook.command("replay")
@click.argument("id", metavar="WEBHOOK")
@click.argument("delivery", default="")
@click.option("--since", type=Moment(ahead=False), help="Events from then, inclusive.")
@click.option("--until", type=Moment(ahead=False), help="Until then, exclusive.")
@click.option("--from-event", default="", help="From an event shards/.../events/..., inclusive.")
@click.option("--to-event", default="", help="To an event of the same shard, inclusive.")
@with_session
def replay(
    session: Session,
    id: str,
    delivery: str,
    since: datetime | None,
    until: datetime | None,
    from_event: str,
    to_event: str,
) -> None:
    """Send once more: one DELIVERY, or what happened in a time or between two events."""
    if sum(map(bool, (delivery, since, from_event))) != 1:
        raise click.UsageError("Say one of them: a delivery, --since, or --from-event.")
    count = session.client.webhooks.replay(
        id,
        delivery=delivery,
        start_time=since,
        end_time=until,
        first_event=from_event,
        last_event=to_event,
    )
    session.emit(
        {"count": count},
        [
            f"{output.counted(count, 'event')} will be sent again.",
            f"See how it goes: hallmark webhook deliveries {id}",
        ],
    )


def _tell_secret(session: Session, made: NewWebhook, what: str) -> None:
    if session.json:
        session.emit({"webhook": made.webhook, "secret": made.secret}, [])
        return
    if not made.secret:
        session.note(
            f"Webhook {made.webhook.id} exists, but the reply with its secret was lost. Make "
            f"another: hallmark webhook rotate {made.webhook.id}"
        )
        raise click.exceptions.Exit(5)
    session.note(f"{what} The secret is shown this once:")
    session.say(made.secret)


def _state(found: Webhook) -> str:
    if not found.enabled:
        return f"disabled: {found.disable_reason}" if found.disable_reason else "disabled"
    if found.failing_since_time:
        return f"failing since {output.when(found.failing_since_time)}"
    return "enabled"


def _outcome(found: WebhookDelivery) -> str:
    if not found.attempts:
        return "waits"
    last = found.attempts[-1]
    said = last.error or f"status {last.status_code}"
    if found.state == "pending":
        return f"{said}; next try {output.when(found.next_attempt_time)}"
    return said


def _undo(before: Webhook, after: Webhook) -> str:
    words = ["hallmark", "webhook", "update", after.id]
    if before.url != after.url:
        words += ["--to", before.url]
    if before.actions != after.actions:
        words += [word for each in before.actions for word in ("--action", each)]
        words += [] if before.actions else ["--all-actions"]
    if before.description != after.description:
        words += ["--description", before.description]
    if before.enabled != after.enabled:
        words += ["--enable" if before.enabled else "--disable"]
    return shlex.join(words) if len(words) > 4 else ""
