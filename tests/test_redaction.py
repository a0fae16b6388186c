"""Secrets that were sent to the wrong place: hidden in errors and in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from registry.client.errors import SetupError
from registry.domain.webhooks import new_secret as new_webhook_secret
from registry.errors import InvalidFieldError, NotFoundError
from registry.errors.redaction import redacted, without_user
from registry.logs import LineFormatter
from registry.services.authentication import new_secret
from registry.services.tickets import DownloadTicket, TicketSigner, UploadTicket
from registry.testing.clock import FixedClock
from registry.testing.issuer import kubernetes_claims, sign


def ticket() -> str:
    signer = TicketSigner(key=b"k" * 32, clock=FixedClock())
    made = UploadTicket(
        principal="alice", token="t", upload="u", sha256="ab" * 32, expire_time_us=1
    )
    return signer.sign(made)


SECRETS: dict[str, Callable[[], str]] = {
    "token": new_secret,
    "webhook": new_webhook_secret,
    "platform": lambda: sign(kubernetes_claims(0)),
    "ticket": ticket,
    "download": lambda: DownloadTicket.KIND + ticket().removeprefix(UploadTicket.KIND),
    "password": lambda: "postgresql+psycopg://hallmark:p/w#:@127.0.0.1/hallmark",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_each_kind_is_hidden(kind: str) -> None:
    """Alone, in a sentence, in quotes, in a path; and what stands around it stays."""
    secret = SECRETS[kind]()
    for before, after in (("", ""), ("found ", ", expected"), ("'", "'"), ("tokens/", "/x")):
        shown = redacted(before + secret + after)
        assert secret not in shown
        assert shown.startswith(before)
        assert shown.endswith(after)
        assert "(hidden" in shown


@pytest.mark.parametrize(
    "text",
    [
        "models/fraud/hm_scorer@7 at http://127.0.0.1:8080, see hallmark pull fraud/hm_scorer@7",
        "Write it like postgresql+psycopg://USER:PASSWORD@HOST/NAME or sqlite:///var/hallmark.db",
        "principals/alice/tokens/0123456789abcdef of eyJ",
        "v1.2.3, d1.5, https://hooks.example/path",
    ],
)
def test_other_text_stays(text: str) -> None:
    """Names, numbers, addresses and forms are shown as they are."""
    assert redacted(text) == text


def test_no_text_takes_long() -> None:
    """What is made to look like the beginning of many secrets is looked through at once."""
    for piece in ("eyJ", "d1.", "://a:", "hm_", "whsec_", "://"):
        text = piece * 20_000
        assert redacted(text) == text


def test_an_error_shows_none_in_any_part() -> None:
    """Message, fields, metadata, violations and repr, of the server's errors and the client's."""
    secret = new_secret()
    wrong = InvalidFieldError(field="name", found=f"'{secret}'", expected="a name", fix="Mend it.")
    missing = NotFoundError(kind="token", name=secret, fix="See which there are.")
    for error in (wrong, missing):
        assert secret not in f"{error} {error!r} {error.metadata} {error.field_violations}"
    setup = SetupError(f"found {secret}", metadata={"path": secret})
    assert secret not in f"{setup} {setup!r} {setup.metadata} {setup.message}"


def test_a_line_of_the_log_shows_none() -> None:
    """Nor does the traceback below it."""
    secret = new_secret()
    try:
        raise RuntimeError(f"cannot take {secret}")
    except RuntimeError as error:
        caught = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "took %s", (secret,), caught)
    line = LineFormatter().format(record)
    assert "took hm_(hidden)" in line
    assert "Traceback" in line
    assert secret not in line


def test_an_address_loses_what_stands_before_its_host() -> None:
    """A name alone may be a secret too."""
    assert without_user("https://s3cr3t@host/a") == "https://(hidden)@host/a"
    assert without_user("https://host/a") == "https://host/a"
