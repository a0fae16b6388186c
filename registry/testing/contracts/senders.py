"""What every sender of webhooks has to do, in memory or over the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from registry.domain.webhooks import headers, new_secret
from registry.ports.webhooks import Sender

BODY = b'{"type":"webhook.test"}'


class Place(Protocol):
    """A sender and a receiver that it reaches; `answers` makes the receiver answer so."""

    url: str

    @property
    def sender(self) -> Sender: ...

    def answers(self, status: int, retry_after_s: int | None = None) -> None: ...

    def received(self) -> list[tuple[dict[str, str], bytes]]: ...


class SenderContract:
    def test_what_is_sent_arrives(self, place: Place) -> None:
        """Headers and body come as they were given, once; 2xx is a delivery."""
        signed = headers([new_secret()], message_id="msg_1", timestamp_s=1, body=BODY)
        answer = place.sender.send(place.url, signed, BODY)
        assert (answer.is_delivered, answer.status, answer.error) == (True, 204, "")
        ((found, body),) = place.received()
        assert body == BODY
        assert {name: found[name] for name in signed} == signed

    @pytest.mark.parametrize("status", [302, 307, 400, 404, 410, 429, 500, 503])
    def test_what_is_refused_is_told(self, place: Place, status: int) -> None:
        """Any other status is no delivery, and is asked for once."""
        place.answers(status)
        answer = place.sender.send(place.url, {}, BODY)
        assert (answer.is_delivered, answer.status) == (False, status)
        assert str(status) in answer.error
        assert answer.is_gone is (status == 410)
        assert len(place.received()) == 1

    def test_a_pause_that_is_asked_for_is_told(self, place: Place) -> None:
        """Retry-After comes through in seconds; where there was none, None."""
        place.answers(503, retry_after_s=77)
        assert place.sender.send(place.url, {}, BODY).retry_after_s == 77
        place.answers(503)
        assert place.sender.send(place.url, {}, BODY).retry_after_s is None

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda url: url.replace("https://", "ftp://"),
            lambda url: url.replace("https://", "https://user:secret@"),
            lambda url: url + "#secret",
            lambda url: "https://",
            lambda url: "",
            lambda url: url + "\N{SNOWMAN}",
            lambda url: url + "\r\nX-Evil: 1",
        ],
    )
    def test_urls_that_are_none(self, place: Place, spoil: Callable[[str], str]) -> None:
        """Such a URL has a problem, which does not show it, and nothing is sent to it."""
        url = spoil(place.url)
        problem = place.sender.problem_of(url)
        assert problem
        assert "secret" not in problem
        answer = place.sender.send(url, {}, BODY)
        assert (answer.status, answer.is_delivered) == (0, False)
        assert place.received() == []
        assert place.sender.problem_of(place.url) is None
