"""The receiver of the documentation, which knows nothing of ours, takes what is sent."""

from __future__ import annotations

import time
from pathlib import Path

from registry.domain.webhooks import headers, new_secret
from registry.testing import receiving
from registry.testing.receiving import verified

BODY = b'{"type":"webhook.test"}'
README = Path(receiving.__file__).parents[1] / "jobs" / "README.md"


def test_the_documentation_shows_the_tested_code() -> None:
    """Word by word."""
    source = Path(receiving.__file__).read_text()
    code = source.partition("# example\n")[2].partition("# end\n")[0].strip()
    assert f"```python\n{code}\n```" in README.read_text()


def signed(secrets: list[str], age_s: int = 0) -> dict[str, str]:
    now_s = int(time.time()) - age_s
    return headers(secrets, message_id="msg_1", timestamp_s=now_s, body=BODY)


def test_what_is_ours_is_taken() -> None:
    """Also in an overlap, by whoever knows either secret."""
    old, new = new_secret(), new_secret()
    assert verified(new, signed([new]), BODY)
    assert verified(old, signed([new, old]), BODY)


def test_what_is_not_is_refused() -> None:
    """Another secret, body, id or time, and a request that was kept and sent again later."""
    secret = new_secret()
    good = signed([secret])
    assert not verified(new_secret(), good, BODY)
    assert not verified(secret, good, BODY + b" ")
    assert not verified(secret, {**good, "webhook-id": "msg_2"}, BODY)
    later = str(int(good["webhook-timestamp"]) + 1)
    assert not verified(secret, {**good, "webhook-timestamp": later}, BODY)
    assert not verified(secret, signed([secret], age_s=301), BODY)
    assert not verified(secret, {**good, "webhook-signature": "v1,"}, BODY)
