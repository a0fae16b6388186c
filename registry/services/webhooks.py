"""Webhooks: made, changed, given new secrets, deleted."""

from __future__ import annotations

import dataclasses
import difflib
import re
import uuid
from collections.abc import Sequence

from registry.domain.access import REGISTRY_WIDE, Action, Caller
from registry.domain.event_kinds import KINDS
from registry.domain.events import SHARDS, EventDraft
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.scopes import ANY
from registry.domain.webhooks import (
    DAY_US,
    SECRETS_MAX,
    Webhook,
    WebhookSecret,
    new_secret,
)
from registry.errors import (
    InvalidFieldError,
    NotFoundError,
    QuotaError,
    StaleEtagError,
    StorageError,
)
from registry.names import WebhookName
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.webhooks import SecretBox, Sender
from registry.services.fields import check_mask, check_text, check_words
from registry.services.namespaces import new_etag
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once
from registry.services.webhook_urls import WebhookUrls

WEBHOOKS_MAX = 200
#: Of these at most so many by one who has not the whole registry, so that no tenant takes them all.
WEBHOOKS_EACH_MAX = 50
ACTIONS_MAX = 50
URL_LENGTH_MAX = 2000
OVERLAP_US_MAX = 7 * DAY_US
EDITABLE = ("url", "description", "actions", "enabled")
#: Each `*` apart, so that a pattern has one spelling and "*" alone means everything.
_PATTERN = re.compile(r"(?=.{1,63}$)(?!.*\*\*)[a-z0-9-]*(\*[a-z0-9-]*){0,3}")


class WebhookService:
    def __init__(self, *, database: Database, clock: Clock, sender: Sender, box: SecretBox) -> None:
        self._database = database
        self._clock = clock
        self._sender = sender
        self._box = box
        self._urls = WebhookUrls(box)

    def create(
        self,
        caller: Caller,
        *,
        url: str,
        description: str,
        actions: Sequence[str],
        namespace_pattern: str,
        request_id: str,
    ) -> tuple[Webhook, str]:
        """The new webhook and its secret; in a repeat the webhook and an empty text."""
        _check_pattern(namespace_pattern)
        caller.require_pattern(Action.WEBHOOK_WRITE, namespace_pattern, "webhooks")
        self._check_url(url)
        check_text("webhook.description", description, 2000)
        wanted = _check_actions(actions)

        def fn(tx: Transaction) -> tuple[Webhook, str]:
            now = self._clock.now_us()

            def create() -> tuple[str, tuple[Webhook, str]]:
                _check_room(tx, caller)
                id, secret = uuid.uuid4().hex[:16], new_secret()
                webhook = tx.webhooks.insert(
                    self._urls.sealed(
                        Webhook(
                            key=0,
                            id=id,
                            url="",
                            description=description,
                            actions=wanted,
                            namespace_pattern=namespace_pattern,
                            enabled=True,
                            disable_reason="",
                            secrets=(self._sealed(id, secret),),
                            position=heads_of(tx),
                            failing_since_us=None,
                            etag=new_etag(),
                            create_time_us=now,
                            update_time_us=now,
                            creator=caller.principal.name,
                        ),
                        url,
                    )
                )
                tx.events.append(webhook_event(caller.principal.name, "webhook.create", webhook))
                return webhook.id, (self._opened(webhook), secret)

            return once(
                tx,
                caller,
                "CreateWebhook",
                request_id,
                content_of(url, description, wanted, namespace_pattern),
                now_us=now,
                create=create,
                reload=lambda id: (self._opened(existing(tx, WebhookName(webhook=id))), ""),
            )

        return self._database.write(fn)

    def get(self, caller: Caller, name: WebhookName) -> Webhook:
        found = self._database.read(lambda tx: visible(tx, caller, Action.WEBHOOK_READ, name))
        return self._shown(caller, found)

    def list(self, caller: Caller, page: PageRequest) -> Page[Webhook]:
        reach = caller.reach(Action.WEBHOOK_READ)
        of = fingerprint("webhooks")
        after = decode_token(page.token, of, int)
        limit = page.limit()
        # There are never more than WEBHOOKS_MAX.
        found = self._database.read(lambda tx: tx.webhooks.list(after))
        shown = [
            self._shown(caller, webhook)
            for webhook in found
            if ANY in reach.models and reach.covers(webhook.namespace_pattern)
        ][: limit + 1]
        return page_of(shown, limit, lambda webhook: (webhook.key,), of)

    def update(
        self,
        caller: Caller,
        name: WebhookName,
        *,
        url: str,
        description: str,
        actions: Sequence[str],
        enabled: bool,
        mask: Sequence[str],
        etag: str,
    ) -> Webhook:
        self._require_write(caller, name)
        fields = check_mask(mask, EDITABLE)
        if "url" in fields:
            self._check_url(url)
        check_text("webhook.description", description, 2000)
        wanted = _check_actions(actions)

        def fn(tx: Transaction) -> Webhook:
            old = existing(tx, name, lock=True)
            if etag and etag != old.etag:
                raise StaleEtagError(name=old.name, found=old.etag, sent=etag)
            new = dataclasses.replace(
                self._urls.sealed(old, url) if "url" in fields else old,
                description=description if "description" in fields else old.description,
                actions=wanted if "actions" in fields else old.actions,
                etag=new_etag(),
                update_time_us=self._clock.now_us(),
            )
            if "enabled" in fields:
                new = _switched(tx, new, enabled=enabled)
            tx.webhooks.save(new)
            actor = caller.principal.name
            tx.events.append(webhook_event(actor, "webhook.update", new, changed=sorted(fields)))
            return self._opened(new)

        return self._database.write(fn)

    def delete(self, caller: Caller, name: WebhookName, *, etag: str, validate_only: bool) -> None:
        self._require_write(caller, name)

        def fn(tx: Transaction) -> None:
            old = existing(tx, name, lock=True)
            if etag and etag != old.etag:
                raise StaleEtagError(name=old.name, found=old.etag, sent=etag)
            if validate_only:
                return
            tx.webhooks.delete(old.key)
            tx.events.append(webhook_event(caller.principal.name, "webhook.delete", old))

        self._database.write(fn)

    def rotate(
        self,
        caller: Caller,
        name: WebhookName,
        *,
        overlap_us: int | None,
        request_id: str = "",
    ) -> tuple[Webhook, str]:
        """The webhook and its new secret, in a repeat an empty text; the old one signs too until
        the overlap is over."""
        self._require_write(caller, name)
        overlap = DAY_US if overlap_us is None else overlap_us
        if not 0 <= overlap <= OVERLAP_US_MAX:
            raise InvalidFieldError(
                field="overlap",
                found=f"{overlap / 1_000_000:g} s",
                expected="0 to 7 days",
                fix="Leave it out for one day.",
            )

        def fn(tx: Transaction) -> tuple[Webhook, str]:
            now = self._clock.now_us()

            def create() -> tuple[str, tuple[Webhook, str]]:
                old = existing(tx, name, lock=True)
                secret = new_secret()
                ending = (
                    dataclasses.replace(each, expire_time_us=_earlier(each, now + overlap))
                    for each in old.secrets
                )
                kept = [each for each in ending if _earlier(each, now) == now and overlap]
                new = dataclasses.replace(
                    old,
                    secrets=(self._sealed(old.id, secret), *kept)[:SECRETS_MAX],
                    etag=new_etag(),
                    update_time_us=now,
                )
                tx.webhooks.save(new)
                actor = caller.principal.name
                tx.events.append(webhook_event(actor, "webhook.rotate", new))
                return new.id, (self._opened(new), secret)

            return once(
                tx,
                caller,
                "RotateWebhookSecret",
                request_id,
                content_of(str(name), overlap_us),
                now_us=now,
                create=create,
                reload=lambda id: (self._opened(existing(tx, WebhookName(webhook=id))), ""),
            )

        return self._database.write(fn)

    def _sealed(self, id: str, secret: str) -> WebhookSecret:
        return WebhookSecret(sealed=self._box.seal(secret, of=id), expire_time_us=None)

    def _opened(self, webhook: Webhook) -> Webhook:
        """The webhook with its URL as it was given; with the origin alone where the ticket key was
        replaced, so that it can be seen and changed."""
        try:
            return dataclasses.replace(webhook, url=self._urls.opened(webhook))
        except StorageError:
            return dataclasses.replace(webhook, url=webhook.origin)

    def _shown(self, caller: Caller, webhook: Webhook) -> Webhook:
        if caller.may(Action.WEBHOOK_WRITE, webhook.namespace_pattern):
            return self._opened(webhook)
        return dataclasses.replace(webhook, url=webhook.origin)

    def _require_write(self, caller: Caller, name: WebhookName) -> None:
        """Judged before the rest of the request. The pattern never changes, so it stays true."""
        self._database.read(lambda tx: visible(tx, caller, Action.WEBHOOK_WRITE, name))

    def _check_url(self, url: str) -> None:
        problem = f"more than {URL_LENGTH_MAX} characters"
        if len(url) <= URL_LENGTH_MAX:
            problem = self._sender.problem_of(url) or ""
        if problem:
            # What was found is not shown: it may hold the receiver's secret.
            raise InvalidFieldError(
                field="webhook.url",
                found=problem,
                expected="https://host[:port]/path of a receiver on the internet, or in a network "
                "that HALLMARK_WEBHOOK_NETWORKS names",
                fix="Correct the URL, or have the operator name the network.",
            )


def existing(tx: Transaction, name: WebhookName, *, lock: bool = False) -> Webhook:
    found = tx.webhooks.lock(name.webhook) if lock else tx.webhooks.get(name.webhook)
    if found is None:
        raise _no_webhook(name)
    return found


def visible(tx: Transaction, caller: Caller, action: Action, name: WebhookName) -> Webhook:
    """The webhook, if the caller may act on all namespaces of its filter; one that is not there is
    told apart from a foreign one only to those who may act on all."""
    found = tx.webhooks.get(name.webhook)
    pattern = found.namespace_pattern if found else REGISTRY_WIDE
    caller.require_pattern(action, pattern, str(name), scope="on all namespaces of its filter")
    if found is None:
        raise _no_webhook(name)
    return found


def heads_of(tx: Transaction) -> tuple[int, ...]:
    """The number of the last event of each shard."""
    numbers = {shard: number for shard, number, _ in tx.events.heads()}
    return tuple(numbers.get(shard, 0) for shard in range(SHARDS))


def webhook_event(actor: str, action: str, webhook: Webhook, **detail: object) -> EventDraft:
    """An audit event about a webhook: of its URL only the origin, of its secrets nothing."""
    pattern = webhook.namespace_pattern
    return EventDraft(
        action=action,
        resource=webhook.name,
        namespace="" if "*" in pattern else pattern,
        actor=actor,
        detail={
            "origin": webhook.origin,
            "actions": list(webhook.actions),
            "namespace_pattern": pattern,
            "enabled": webhook.enabled,
            **detail,
        },
    )


def _no_webhook(name: WebhookName) -> NotFoundError:
    return NotFoundError(
        kind="webhook", name=str(name), fix="See which there are: hallmark webhook list"
    )


def _switched(tx: Transaction, webhook: Webhook, *, enabled: bool) -> Webhook:
    if enabled == webhook.enabled:
        return webhook
    position = heads_of(tx) if enabled else webhook.position
    return dataclasses.replace(
        webhook, enabled=enabled, disable_reason="", failing_since_us=None, position=position
    )


def _earlier(secret: WebhookSecret, time_us: int) -> int:
    end_us = secret.expire_time_us
    return time_us if end_us is None else min(end_us, time_us)


def _check_room(tx: Transaction, caller: Caller) -> None:
    count = tx.webhooks.count()
    if count >= WEBHOOKS_MAX:
        raise _no_room("Webhooks", count, WEBHOOKS_MAX)
    if caller.may(Action.WEBHOOK_WRITE, REGISTRY_WIDE):
        return
    own = sum(each.creator == caller.principal.name for each in tx.webhooks.list(None))
    if own >= WEBHOOKS_EACH_MAX:
        raise _no_room(f"Webhooks made by {caller.principal.name}", own, WEBHOOKS_EACH_MAX)


def _no_room(what: str, found: int, limit: int) -> QuotaError:
    fix = "Delete one that nobody needs: hallmark webhook list"
    return QuotaError(what=what, found=found, limit=limit, fix=fix)


def _check_pattern(pattern: str) -> None:
    if not _PATTERN.fullmatch(pattern):
        raise InvalidFieldError(
            field="webhook.namespace_pattern",
            found=show(pattern) if pattern else "nothing",
            expected="1-63 of a-z, 0-9, '-' and at most three '*', none beside another",
            fix="Write a namespace such as fraud, a pattern such as ml-*, or * for all.",
        )


def _check_actions(actions: Sequence[str]) -> tuple[str, ...]:
    checked = check_words("webhook.actions", actions, count_max=ACTIONS_MAX)
    for action in checked:
        if not any(kind.startswith(action) for kind in KINDS):
            near = difflib.get_close_matches(action, KINDS, n=3, cutoff=0.5)
            raise InvalidFieldError(
                field="webhook.actions",
                found=f"{show(action)}, with which no event begins",
                expected="an action such as stage.move, or a beginning such as 'promotion.'",
                fix=f"Did you mean {' or '.join(near)}? All are in proto/EVENTS.md."
                if near
                else "All are in proto/EVENTS.md.",
            )
    return checked
