"""Shares: how many requests at once each webhook gets of a server, so that slow ones do not starve
the rest.

A receiver can hang until the deadline, or take its time and then say yes, and whoever may make
webhooks may have many such. So three paces are told apart, by what tries took in this process:

- quick ones get as many at once as a webhook may have;
- ones that were not tried yet share what is left beside the room that is kept for quick ones;
- slow ones get one each, and share half of all.

Of each webhook the first goes before the second of any, so a long queue keeps nobody waiting.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum, auto

from registry.domain.webhooks import SECOND_US, Delivery

#: Requests to receivers at once. A thread each, most of which wait.
SENT_AT_ONCE = 32
#: Of these at most so many to receivers that are slow or were not tried, and to slow ones.
UNKNOWN_AT_ONCE = 24
SLOW_AT_ONCE = 16
#: Tries of one webhook at once.
EACH_MAX = 4
#: Whoever took longer once is slow for a while, whatever comes between.
SLOW_MS = 2_000
SLOW_FOR_US = 600 * SECOND_US


class Pace(Enum):
    QUICK = auto()
    UNTRIED = auto()
    SLOW = auto()


class Shares:
    """One thread calls `choose` and `begin`; many may call `end`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: Webhook and end of the lease of what is being sent, by its key. One whose lease has ended
        #: counts no more: what became of it, nobody will say.
        self._running: dict[int, tuple[str, int]] = {}
        self._quick: set[str] = set()
        #: When each was slow for the last time.
        self._slow: dict[str, int] = {}

    def choose(self, due: Sequence[Delivery], limit: int, now_us: int) -> list[Delivery]:
        """Those of `due` to be sent now, at most so many, in the order to begin them in."""
        with self._lock:
            running = Counter(
                webhook for webhook, until_us in self._running.values() if until_us > now_us
            )
            paces = {each.webhook: self._pace(each.webhook, now_us) for each in due}
            paces |= {webhook: self._pace(webhook, now_us) for webhook in running}
        room = {
            Pace.SLOW: SLOW_AT_ONCE - _sum(running, paces, (Pace.SLOW,)),
            Pace.UNTRIED: UNKNOWN_AT_ONCE - _sum(running, paces, (Pace.SLOW, Pace.UNTRIED)),
        }
        chosen: list[Delivery] = []
        for delivery in _in_turns(due):
            pace = paces[delivery.webhook]
            each_max = 1 if pace is Pace.SLOW else EACH_MAX
            if len(chosen) == limit or running[delivery.webhook] >= each_max:
                continue
            # What is slow takes of both.
            taken = [kind for kind in room if pace is kind or pace is Pace.SLOW]
            if any(room[kind] < 1 for kind in taken):
                continue
            for kind in taken:
                room[kind] -= 1
            running[delivery.webhook] += 1
            chosen.append(delivery)
        return chosen

    def begin(self, delivery: Delivery, until_us: int) -> None:
        with self._lock:
            self._running[delivery.key] = (delivery.webhook, until_us)

    def end(self, delivery: Delivery, duration_ms: int | None, now_us: int) -> None:
        """`duration_ms` is None where nothing was sent."""
        with self._lock:
            self._running.pop(delivery.key, None)
            if duration_ms is None:
                return
            if duration_ms > SLOW_MS:
                self._slow[delivery.webhook] = now_us
            else:
                self._quick.add(delivery.webhook)

    def keep(self, webhooks: Iterable[str]) -> None:
        """Forget the paces of all but these."""
        kept = set(webhooks)
        with self._lock:
            self._quick &= kept
            self._slow = {id: time_us for id, time_us in self._slow.items() if id in kept}

    def _pace(self, webhook: str, now_us: int) -> Pace:
        slow_us = self._slow.get(webhook)
        if slow_us is not None and now_us - slow_us < SLOW_FOR_US:
            return Pace.SLOW
        return Pace.QUICK if webhook in self._quick else Pace.UNTRIED


def _sum(running: Counter[str], paces: dict[str, Pace], kinds: Sequence[Pace]) -> int:
    return sum(count for webhook, count in running.items() if paces[webhook] in kinds)


def _in_turns(due: Iterable[Delivery]) -> list[Delivery]:
    """The longest due of each webhook, then the second of each, and so on."""
    turns: Counter[str] = Counter()
    placed = []
    for delivery in sorted(due, key=lambda each: (each.next_attempt_us, each.key)):
        placed.append((turns[delivery.webhook], delivery))
        turns[delivery.webhook] += 1
    return [delivery for _, delivery in sorted(placed, key=lambda each: each[0])]
