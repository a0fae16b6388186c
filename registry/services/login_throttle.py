"""Wrong passwords, counted below the directory's own lockout, so that nobody is locked out there
by strangers who guess here.

Counted are attempts of the last quarter of an hour: by the name that was typed, from one address,
before the directory is asked at all; and by the account that was found, however its name was
spelt, as well as by that name, from one address and from all of them. From the address where the
account's password was last right, only that address's own failures count: others cannot lock
somebody out of their desk. By the address alone too, whatever the names: one password that is tried
with everybody's is a guess as well, and no account of theirs shows it.

An attempt is stored before the password is tried and taken back when it was right, so that many at
once are as few as they are allowed to be. That is in the database: all processes and replicas count
together, and a restart forgives nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from registry.domain.directory import USER_LENGTH_MAX
from registry.domain.times import show_time
from registry.errors import LoginThrottledError
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction

WINDOW_US = 15 * 60 * 1_000_000


@dataclass(kw_only=True)
class Attempt:
    """One password that somebody wants tried."""

    address: str
    time_us: int
    #: What it is counted under, beside the address alone.
    subjects: list[str] = field(default_factory=list)
    #: The address alone, once it is counted under that.
    place: str = ""
    #: Whether the directory is asked for the password, which may be right by memory.
    is_asked: bool = False


class LoginThrottle:
    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        key: bytes,
        failures_max: int,
        per_user_max: int,
        per_address_max: int,
    ) -> None:
        """`per_address_max` 0 stands for no limit. Only those who have the same `key` count
        together, and only they can tell from what is stored whether a guess was typed."""
        self._database = database
        self._clock = clock
        self._key = key
        self._failures_max = failures_max
        self._per_user_max = per_user_max
        self._per_address_max = per_address_max

    def begin(self, user: str, address: str) -> Attempt:
        """Count an attempt for this name; raises LoginThrottledError where there were too many."""
        attempt = Attempt(address=address, time_us=self._clock.now_us())
        self._database.read(lambda tx: self._require_place(tx, attempt))
        self._count(attempt, f"name:{_folded(user)}", home=None)
        try:
            self._database.write(lambda tx: self._count_place(tx, attempt))
        except LoginThrottledError:
            self.was_not_tried(attempt)
            raise
        attempt.place = self._place(address)
        return attempt

    def admit(self, attempt: Attempt, account: str, home: str) -> None:
        """Count it for the account too, whose password was last right at `home`; raises as
        `begin`."""
        self._database.read(lambda tx: self._require_name(tx, attempt, home))
        self._count(attempt, f"account:{account}", home=home)
        attempt.is_asked = True

    def was_right(self, attempt: Attempt) -> None:
        """Forget all that was counted from there for the same name and account; of the address
        alone just this, or else whoever has an account could guess on after each login."""

        def fn(tx: Transaction) -> None:
            for subject in attempt.subjects:
                tx.login_attempts.forget(subject, attempt.address)
            tx.login_attempts.forget_one(attempt.place, attempt.address, attempt.time_us)

        self._database.write(fn)

    def was_not_tried(self, attempt: Attempt) -> None:
        """Forget this attempt alone."""

        def fn(tx: Transaction) -> None:
            for subject in (*attempt.subjects, attempt.place):
                tx.login_attempts.forget_one(subject, attempt.address, attempt.time_us)

        self._database.write(fn)

    def purge(self) -> int:
        before_us = self._clock.now_us() - WINDOW_US
        return self._database.write(lambda tx: tx.login_attempts.purge(before_us))

    def _count(self, attempt: Attempt, subject: str, *, home: str | None) -> None:
        hashed = self._hashed(subject)
        since_us = attempt.time_us - WINDOW_US

        def look(tx: Transaction) -> int | None:
            counts = tx.login_attempts.count(hashed, since_us)
            return self._full_since(counts, attempt.address, home)

        def fn(tx: Transaction) -> int | None:
            tx.login_attempts.lock(hashed)
            full = look(tx)
            if full is None:
                tx.login_attempts.insert(hashed, attempt.address, attempt.time_us)
            return full

        # Who is refused anyway must not keep the writer busy.
        full_us = self._database.read(look)
        if full_us is None:
            full_us = self._database.write(fn)
        if full_us is not None:
            raise LoginThrottledError(retry_time=show_time(full_us + WINDOW_US))
        attempt.subjects.append(hashed)

    def _require_name(self, tx: Transaction, attempt: Attempt, home: str) -> None:
        """What holds for an account holds for its name alone, of which this attempt is counted
        already: or else two names that are one to the directory would tell who there is."""
        if attempt.address == home:
            return
        counts = tx.login_attempts.count(attempt.subjects[0], attempt.time_us - WINDOW_US)
        strangers = [(number, first) for at, number, first in counts if at != home]
        if sum(number for number, _ in strangers) > self._per_user_max:
            first_us = min(first for _, first in strangers)
            raise LoginThrottledError(retry_time=show_time(first_us + WINDOW_US))

    def _require_place(self, tx: Transaction, attempt: Attempt) -> None:
        place = self._place(attempt.address)
        counts = tx.login_attempts.count(place, attempt.time_us - WINDOW_US)
        tried, first_us = next((each[1:] for each in counts), (0, 0))
        if self._per_address_max and tried >= self._per_address_max:
            raise LoginThrottledError(retry_time=show_time(first_us + WINDOW_US))

    def _count_place(self, tx: Transaction, attempt: Attempt) -> None:
        place = self._place(attempt.address)
        tx.login_attempts.lock(place)
        self._require_place(tx, attempt)
        tx.login_attempts.insert(place, attempt.address, attempt.time_us)

    def _full_since(
        self, counts: Sequence[tuple[str, int, int]], address: str, home: str | None
    ) -> int | None:
        """When the first of too many attempts was; None where one more is allowed."""
        own = [(number, first) for at, number, first in counts if at == address]
        if own and own[0][0] >= self._failures_max:
            return own[0][1]
        if home is None or address == home:
            return None
        strangers = [(number, first) for at, number, first in counts if at != home]
        if sum(number for number, _ in strangers) >= self._per_user_max:
            return min(first for _, first in strangers)
        return None

    def _place(self, address: str) -> str:
        return self._hashed(f"address:{address}")

    def _hashed(self, subject: str) -> str:
        # What is typed as a name may be the password, typed too early.
        return hmac.digest(self._key, subject.encode(errors="surrogatepass"), hashlib.sha256).hex()


def _folded(name: str) -> str:
    """The same for all names that any directory takes for one: these overlook case, width, blanks,
    what cannot be seen, Active Directory accents too."""
    plain = unicodedata.normalize("NFKD", name[: USER_LENGTH_MAX + 1]).casefold()
    return "".join(
        c for c in unicodedata.normalize("NFKD", plain) if unicodedata.category(c)[0] in "LNPS"
    )
