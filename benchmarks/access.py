"""What it costs a read over gRPC to ask who calls and whether they may.

Both servers run in this process and answer the same read of the same version; one takes everybody
for somebody who may everything, without looking. They take turns, and what is compared is processor
time.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.report import Bound
from registry.domain.access import Action, Caller, Grant, Role
from registry.domain.scopes import Scope
from registry.services.authentication import Authenticator
from registry.testing.api import Api
from registry.testing.world import Login, World, grant
from registry.v1 import versions_pb2

#: What is to be kept.
MOST_US = 60
CALLS = 2000
MODEL = "team/scorer"
REQUEST = versions_pb2.GetVersionRequest(name=f"models/{MODEL}/versions/1").SerializeToString()
METHOD = "/registry.v1.VersionService/GetVersion"


class _Trusting(Caller):
    """Somebody who may everything, since nobody looks."""

    def may(self, *_: Any, **__: Any) -> bool:
        return True

    def require(self, *_: Any, **__: Any) -> None:
        return None


class _Blind:
    """Takes every call for the same somebody's."""

    def __init__(self, caller: Caller) -> None:
        self._caller = _Trusting(principal=caller.principal, token=caller.token)

    def authenticate(self, secret: str, address: str = "") -> Caller:
        return self._caller


def measure(*, rounds: int, seconds: float, calls: int = CALLS) -> Iterator[Bound]:
    """In so many rounds of so many calls; `seconds` says nothing here."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        # The world's clock stands still, and no minute of calls ever passes.
        world.authenticator = Authenticator(
            database=world.database,
            clock=world.clock,
            changes=world.board.callers,
            calls_per_minute=10**12,
        )
        world.model(MODEL)
        world.version(MODEL, {"a": b"a"})
        for name, login in _callers(world).items():
            yield Bound(
                what=f"who and whether, alone, {name}",
                unit="us",
                value=_alone_us(world, login, calls),
                most=MOST_US,
            )
            yield from _over_grpc(world, name, login, rounds, calls)
        world.close()


def _callers(world: World) -> dict[str, Login]:
    """One as most are, and one with as many grants, denies and scopes as there may be."""
    grants: list[Grant] = [grant(Role.READER, f"space-{n}") for n in range(50)]
    grants += [grant(Role.READER, f"secret-{n}", deny=True) for n in range(49)]
    scopes = [Scope(action="version.read", model=f"space-{n}/*") for n in range(19)]
    return {
        "one grant": world.login("one", grant(Role.READER)),
        "100 grants, 20 scopes": world.login(
            "many",
            *grants,
            grant(Role.READER, "team"),
            scopes=[*scopes, Scope(action="version.read", model="team/*")],
        ),
    }


def _alone_us(world: World, login: Login, calls: int) -> float:
    def once() -> None:
        caller = world.authenticator.authenticate(login.secret)
        caller.require(Action.VERSION_READ, "team", f"models/{MODEL}/versions/1")

    return min(_cpu_us(once, calls) for _ in range(5))


def _over_grpc(world: World, name: str, login: Login, rounds: int, calls: int) -> Iterator[Bound]:
    with_api = Api(world)
    authenticator = world.authenticator
    world.authenticator = _Blind(login.caller)  # type: ignore[assignment]
    without_api = Api(world)
    world.authenticator = authenticator
    try:
        sides = {
            side: _reader(api, login)
            for side, api in (("with", with_api), ("without", without_api))
        }
        taken: dict[str, list[float]] = {"with": [], "without": []}
        for _ in range(max(rounds, 5)):
            for side, read in sides.items():
                taken[side].append(_cpu_us(read, calls))
        medians = {side: statistics.median(values) for side, values in taken.items()}
        for side, value in medians.items():
            yield Bound(what=f"read over gRPC {side}, {name}", unit="us", value=value, most=1e6)
        added = statistics.median(
            one - other for one, other in zip(taken["with"], taken["without"], strict=True)
        )
        yield Bound(what=f"added to a read, {name}", unit="us", value=added, most=MOST_US)
    finally:
        with_api.close()
        without_api.close()


def _reader(api: Api, login: Login) -> Callable[[], object]:
    call: Any = api.channel(login.secret)
    method = call.unary_unary(METHOD)
    return lambda: method(REQUEST)


def _cpu_us(run: Callable[[], object], calls: int) -> float:
    """Processor time of this process a run, client and server."""
    run()
    start = time.process_time()
    for _ in range(calls):
        run()
    return (time.process_time() - start) / calls * 1e6
