"""Keys that are made from the ticket key."""

from __future__ import annotations

from registry.auth.derived_keys import LOGIN_ATTEMPTS, WEBHOOK_SECRETS, key_for

TICKET_KEY = bytes(range(32))


def test_each_purpose_has_its_key_for_ever() -> None:
    """What is stored under them has to be read by every later release."""
    made = [key_for(purpose, TICKET_KEY).hex() for purpose in (WEBHOOK_SECRETS, LOGIN_ATTEMPTS)]
    assert made == [
        "9df2f5d2d5d789c00aea234536d310b1a318bec8ad563e7d1db6f43def4bdb05",
        "faa57ba00b64d7f21d81ce436e77edbcc8fe89b19b57d349988e6f13e1d37bf1",
    ]
