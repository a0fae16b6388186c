"""Terms of models: set them, read them, and ask for them where files are fetched."""

from __future__ import annotations

import re

from registry.domain.access import Action, Caller
from registry.domain.terms import AcceptanceState, Terms
from registry.domain.versions import Version
from registry.errors import (
    InvalidFieldError,
    NotFoundError,
    StaleEtagError,
    TermsNotAcceptedError,
)
from registry.names import ModelName
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services.fields import check_text
from registry.services.lookups import event, model_of
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once

TEXT_LENGTH_MAX = 100_000
URL_LENGTH_MAX = 2000
VALIDITY_DAYS = 365
VALIDITY_DAYS_MAX = 3650
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")


class TermsService:
    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def set(
        self,
        caller: Caller,
        model: ModelName,
        *,
        label: str,
        text: str,
        url: str,
        validity_days: int,
        approval_required: bool,
        etag: str,
        request_id: str = "",
    ) -> Terms:
        """Give a model terms; acceptances of others count no more."""
        caller.require(Action.TERMS_SET, model.namespace, str(model))
        _check_form(etag)
        _check(label, text, url, validity_days)

        def fn(tx: Transaction) -> Terms:
            now = self._clock.now_us()

            def create() -> tuple[str, Terms]:
                stored = model_of(tx, model, lock=True)
                before = tx.terms.current(model.path)
                _check_etag(model, before, etag)
                wanted = Terms(
                    model_key=stored.key,
                    model=stored.path,
                    label=label,
                    text=text,
                    url=url,
                    validity_days=validity_days or VALIDITY_DAYS,
                    approval_required=approval_required,
                    create_time_us=now,
                    creator=caller.id,
                )
                if before is not None and before.digest == wanted.digest:
                    return before.digest, before
                tx.terms.put(wanted)
                detail: dict[str, object] = {
                    "digest": wanted.digest,
                    "label": label,
                    "url": url,
                    "validity_days": wanted.validity_days,
                    "approval_required": approval_required,
                    "before": before.digest if before else "",
                }
                tx.events.append(event(caller, "terms.set", stored.name, stored.namespace, detail))
                return wanted.digest, wanted

            return once(
                tx,
                caller,
                "SetModelTerms",
                request_id,
                content_of(str(model), label, text, url, validity_days, approval_required, etag),
                now_us=now,
                create=create,
                reload=lambda digest: _once_set(tx, model, digest),
            )

        return self._database.write(fn, namespace=model.namespace)

    def clear(self, caller: Caller, model: ModelName, *, etag: str) -> None:
        """Take a model's terms away."""
        caller.require(Action.TERMS_SET, model.namespace, str(model))
        _check_form(etag)

        def fn(tx: Transaction) -> None:
            stored = model_of(tx, model, lock=True)
            now = tx.terms.current(model.path)
            _check_etag(model, now, etag)
            if now is None:
                return
            tx.terms.clear(stored.key)
            detail: dict[str, object] = {"before": now.digest}
            tx.events.append(event(caller, "terms.clear", stored.name, stored.namespace, detail))

        self._database.write(fn, namespace=model.namespace)

    def get(self, caller: Caller, model: ModelName) -> Terms:
        caller.require(Action.MODEL_READ, model.namespace, str(model))

        def fn(tx: Transaction) -> Terms:
            model_of(tx, model)
            return terms_of(tx, model)

        return self._database.snapshot(fn)


def terms_of(tx: Transaction, model: ModelName) -> Terms:
    """What the model asks for now; NotFoundError where it asks for nothing."""
    found = tx.terms.current(model.path)
    if found is None:
        raise NotFoundError(
            kind="terms of model",
            name=str(model),
            fix="There is nothing to accept: whoever may fetch it can do so.",
        )
    return found


def _once_set(tx: Transaction, model: ModelName, digest: str) -> Terms:
    """What the model asked for by these terms, now or before."""
    found = tx.terms.find(model.path, digest)
    if found is None:
        raise NotFoundError(
            kind="terms of model",
            name=str(model),
            fix="The model was deleted since: set terms anew on the one that there is now.",
        )
    return found


def require_terms(tx: Transaction, caller: Caller, version: Version, now_us: int) -> None:
    """Raise TermsNotAcceptedError unless the caller may fetch under the terms that the version's
    model has now. A version that was read with its model's terms knows that there are none."""
    digest = version.terms_digest
    if not digest:
        return
    found = tx.acceptances.open_of(version.model_key, caller.id, digest, now_us)
    if found is not None and found.state is AcceptanceState.GRANTED:
        return
    terms = tx.terms.current(version.model)
    raise TermsNotAcceptedError(
        model=version.model_name,
        path=version.model,
        label=terms.label if terms else "",
        terms=digest,
        principal=caller.principal.name,
        fix=_mend(terms, version) if found is None else f"wait for the approval of {found.name}",
    )


def _mend(terms: Terms | None, version: Version) -> str:
    # The terms may have changed between the two reads.
    return terms.mend if terms else f"hallmark access terms {version.model}"


def _check(label: str, text: str, url: str, validity_days: int) -> None:
    check_text("label", label, 100, required=True, one_line=True)
    check_text("text", text, TEXT_LENGTH_MAX)
    check_text("url", url, URL_LENGTH_MAX, one_line=True)
    if not text and not url:
        raise InvalidFieldError(
            field="text",
            found="neither text nor url",
            expected="the terms, or where they stand",
            fix="Give one of them, or both.",
        )
    if url and not _URL.fullmatch(url):
        raise InvalidFieldError(
            field="url",
            found=show(url),
            expected="an address that begins with https:// or http://",
            fix="Give the address under which people can read the terms.",
        )
    if not 0 <= validity_days <= VALIDITY_DAYS_MAX:
        raise InvalidFieldError(
            field="validity_days",
            found=str(validity_days),
            expected=f"1 to {VALIDITY_DAYS_MAX}, or 0 for {VALIDITY_DAYS}",
            fix="Say for how many days an acceptance counts.",
        )


def _check_form(etag: str) -> None:
    if etag and not _DIGEST.fullmatch(etag):
        raise InvalidFieldError(
            field="etag",
            found=show(etag),
            expected="a digest of terms, sha256: and 64 hex digits",
            fix="Take it from the terms that you read, or leave it out.",
        )


def _check_etag(model: ModelName, now: Terms | None, etag: str) -> None:
    found = now.digest if now else "that of no terms"
    if etag not in ("", found):
        raise StaleEtagError(name=f"the terms of {model}", found=found, sent=show(etag))
