"""A whole registry on free loopback ports, for tests of clients and of the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from registry import config
from registry.app.registry import Registry
from registry.client import Client

#: A start takes under two seconds; a machine under load gets this long.
START_TIMEOUT_S = 60.0
_COMMAND = (sys.executable, "-m", "registry.cli", "serve")


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    grpc_target: str
    http_url: str
    admin_token: str
    home: Path
    registry: Registry

    def client(self, token: str | None = None) -> Client:
        """A client of this server, as the administrator unless another token is given."""
        return Client(self.http_url, token=token or self.admin_token)


@contextmanager
def running_server(
    home: Path, settings: Mapping[str, str] | None = None
) -> Iterator[RunningServer]:
    """Serve from a home folder, in this process, until the block ends.

    On a folder that was served before, the token file of the first time is used again.
    """
    environment = {
        "HALLMARK_HOME": str(home),
        "HALLMARK_GRPC_ADDRESS": "127.0.0.1:0",
        "HALLMARK_HTTP_ADDRESS": "127.0.0.1:0",
    }
    registry = Registry(config.load({**environment, **(settings or {})}))
    token_file = home / "admin.token"
    if registry.admin_token:
        token_file.write_text(registry.admin_token)
    registry.start()
    try:
        yield RunningServer(
            grpc_target=registry.grpc_target,
            http_url=registry.http_url,
            admin_token=token_file.read_text(),
            home=home,
            registry=registry,
        )
    finally:
        registry.stop()


def failed_start(
    home: Path, settings: Mapping[str, str] | None = None, *, prefix: Sequence[str] = ()
) -> str:
    """What `hallmark serve` says where it cannot start, which has to end it with exit code 4."""
    done = subprocess.run(
        [*prefix, *_COMMAND],
        env=_environment(home, settings or {}),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 4, done
    assert done.stdout == "", done
    return done.stderr


class ServerProcess:
    """A registry in a process of its own, as `hallmark serve` starts it: it can be killed.

    `prefix` is a command that runs the server's in its place, such as one that limits it.
    """

    def __init__(
        self,
        home: Path,
        settings: Mapping[str, str] | None = None,
        *,
        prefix: Sequence[str] = (),
    ) -> None:
        self.home = home
        self._settings = dict(settings or {})
        self._prefix = prefix
        #: What it wrote on standard error, all starts together.
        self.log = home.parent / f"{home.name}.log"
        self.admin_token = ""
        self.start()

    def start(self) -> None:
        """Start, or start again after a kill, on the ports of the first time."""
        self._spawn()
        self._read_greeting()
        self._settings["HALLMARK_GRPC_ADDRESS"] = self.grpc_target
        self._settings["HALLMARK_HTTP_ADDRESS"] = self.http_url.removeprefix("http://")

    def start_and_kill(self, after_s: float) -> None:
        """Start after a kill, and kill again so soon that it may not have come up."""
        self._spawn()
        time.sleep(after_s)
        self.kill()

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, *_COMMAND],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(self.home, self._settings),
                text=True,
            )

    def _read_greeting(self) -> None:
        assert self._process.stdout is not None
        until = time.monotonic() + START_TIMEOUT_S
        for line in self._process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "HTTP":
                self.http_url = rest.strip()
            elif word == "gRPC":
                self.grpc_target = rest.strip()
            elif word.startswith("hm_"):
                self.admin_token = word
            elif " login " in line:
                self._keep_token()
                return
            if time.monotonic() > until:
                break
        self.kill()
        raise AssertionError(f"the server did not start:\n{self.log.read_text()[-4000:]}")

    def _keep_token(self) -> None:
        """Shown the first time only; a later process on the same folder needs it as well."""
        kept = self.home / "admin.token"
        if self.admin_token:
            kept.write_text(self.admin_token)
        else:
            self.admin_token = kept.read_text()

    @property
    def pid(self) -> int:
        return self._process.pid

    def client(self, token: str | None = None) -> Client:
        return Client(self.http_url, token=token or self.admin_token)

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        self._process.kill()
        self._end()

    def stop(self) -> int:
        """SIGTERM, as Kubernetes does; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._end()

    def stop_reading(self) -> None:
        """Close our end of its standard output."""
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _end(self) -> int:
        code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()


def _environment(home: Path, settings: Mapping[str, str]) -> dict[str, str]:
    ours = {
        "HALLMARK_HOME": str(home),
        "HALLMARK_GRPC_ADDRESS": "127.0.0.1:0",
        "HALLMARK_HTTP_ADDRESS": "127.0.0.1:0",
        **settings,
    }
    return {key: os.environ[key] for key in os.environ if not key.startswith("HALLMARK_")} | ours
