"""`hallmark serve`."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path

from registry import config
from registry.app.api import DISTRIBUTION
from registry.app.first_start import prepare
from registry.app.process import fill_standard_streams, raise_file_limit, set_up_logging, signals
from registry.app.registry import Registry
from registry.app.workers import Workers
from registry.errors import HallmarkError


def run_serve(overrides: Mapping[str, str]) -> int:
    """Serve until asked to stop; the exit code.

    `overrides` are settings by their environment names, from the command line.
    """
    environment = {**os.environ, **overrides}
    fill_standard_streams()
    raise_file_limit()
    try:
        settings = config.load(environment)
        set_up_logging(settings.log_level)
        workers = Workers(settings.processes - 1, environment)
    except HallmarkError as error:
        return _refuse(error)
    prepare(settings)
    try:
        registry = Registry(settings, shares_port=settings.processes > 1)
    except HallmarkError as error:
        workers.wait()
        return _refuse(error)
    stop_asked = signals(signal.SIGINT, signal.SIGTERM)
    registry.start()
    # What was made so far lives as long as the process. Looked through again and again for
    # garbage, it makes a call in progress wait for 50 ms.
    gc.collect()
    gc.freeze()
    workers.start(registry)
    workers.wait_until_ready(stop_asked)
    _say(_greeting(registry))
    os.read(stop_asked, 1)
    _say("Stopping: letting what is in progress end.")
    workers.ask_to_stop()
    registry.stop()
    workers.wait()
    return 0


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError:
        # Whoever read it has gone, as a terminal that was closed. The server goes on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(error: HallmarkError) -> int:
    print(f"Cannot start: {error}", file=sys.stderr)
    return 4


def _greeting(registry: Registry) -> str:
    settings = registry.settings
    lines = [f"Hallmark {installed_version(DISTRIBUTION)} is serving."]
    if settings.is_development:
        lines[0] += " For development: embedded database, loopback only."
    elif not settings.tls_certificate_file:
        lines.append("WARNING: no TLS. Anybody on the way can read tokens; set the TLS files.")
    for url in settings.ldap.plain_urls:
        lines.append(f"WARNING: no TLS to {url}. For development: passwords travel in the clear.")
    lines += [
        f"  HTTP  {registry.http_url}",
        f"  gRPC  {registry.grpc_target}",
        f"  home  {settings.home}",
        "",
    ]
    command = _command()
    if registry.admin_token:
        lines += [
            "Administrator token, shown this once (keep it; only its hash is stored):",
            f"  {registry.admin_token}",
            "",
        ]
    lines += [
        "Next, in another terminal:",
        f"  {command} login {registry.http_url}",
    ]
    return "\n".join(lines)


def _command() -> str:
    """How to call the command from another terminal in this folder, whose PATH may be another."""
    own = Path(sys.argv[0]).absolute()
    if own.is_relative_to(Path.cwd()):
        return str(own.relative_to(Path.cwd()))
    found = shutil.which("hallmark")
    return "hallmark" if found and Path(found).resolve() == own.resolve() else str(own)
