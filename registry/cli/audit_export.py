"""audit export: the log as JSON lines or syslog, to a file, a pipe or a syslog server.

What was sent is remembered in a small file beside: cursor, and how long the output was then. With
it an export that was cut goes on without loss or repeat: what stands behind that length, of a batch
that was not finished, is cut off first.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import click

from registry.cli import output
from registry.cli.params import Moment
from registry.cli.session import Session, with_session

if TYPE_CHECKING:
    from registry.client.audit_values import ExportBatch
    from registry.client.syslog import SyslogSender
    from registry.client.values import Event

#: Between two looks for what is new, with --follow.
FOLLOW_S = 2.0
_FILE = click.Path(path_type=Path, dir_okay=False)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@click.command("export")
@click.argument("namespace", default="")
@click.option(
    "--format",
    "format",
    type=click.Choice(["jsonl", "syslog"]),
    default="jsonl",
    show_default=True,
    help="A JSON object a line, or RFC 5424.",
)
@click.option("--action", default="", help="Such as version.create, or version. for all of these.")
@click.option("--since", type=Moment(ahead=False), help="From then, inclusive.")
@click.option("--until", type=Moment(ahead=False), help="Until then, exclusive.")
@click.option("--follow", is_flag=True, help="Go on with what happens, until interrupted.")
@click.option("--out", type=_FILE, help="Write to this file; else to standard output.")
@click.option("--to", metavar="URL", help="Send as syslog to tcp://, tls:// or udp://host:port.")
@click.option(
    "--framing",
    type=click.Choice(["newline", "octet-counting"]),
    help="How syslog messages follow each other (RFC 6587); else newline, and octet-counting "
    "for --to.",
)
@click.option("--state", type=_FILE, help="Where to remember how far it got; else OUT.cursor.")
@click.option("--resume", is_flag=True, help="Go on where the last export to OUT or STATE ended.")
@with_session
def export(
    session: Session,
    /,
    namespace: str,
    format: str,
    action: str,
    since: datetime | None,
    until: datetime | None,
    follow: bool,
    out: Path | None,
    to: str | None,
    framing: str | None,
    state: Path | None,
    resume: bool,
) -> None:
    """Write out the audit log of NAMESPACE, or all of it, oldest first, with all hashes.

    Each event comes once. With --out or --state, an export that was cut goes on with --resume; so a
    service that follows the log is started with --state and --resume, the first time too.
    """
    if out is not None and to is not None:
        raise click.UsageError("--out and --to exclude each other.")
    asked = {
        "namespace": namespace,
        "action": action,
        "since": since.isoformat() if since else "",
        "until": until.isoformat() if until else "",
        "format": "syslog" if to else format,
        "to": to or "",
    }
    place = _Place.of(state or (out.with_name(f"{out.name}.cursor") if out else None), asked)
    if not resume and state is not None and state.exists():
        # A service that was started again would send everything once more.
        raise click.UsageError(
            f"{state} has how far an export got. Go on with --resume, or choose another file."
        )
    if resume:
        place.load()
        since, until = (
            datetime.fromisoformat(text) if text else None
            for text in (place.asked["since"], place.asked["until"])
        )
    sink = _sink(session, place, out=out, to=to, framing=framing, resume=resume)
    try:
        _run(session, sink, place, follow=follow, since=since, until=until)
    except KeyboardInterrupt:
        session.note(f"{output.counted(sink.count, 'event')} exported. {_how_to_go_on(place)}")
        raise
    finally:
        sink.close()
    session.note(f"{output.counted(sink.count, 'event')} exported. {_how_to_go_on(place)}".strip())


def content_of(event: Event) -> dict[str, object]:
    """An event as one JSON object, from which its hash can be made again."""
    _, shard, _, number = event.name.split("/")
    time_us = (event.time - _EPOCH) // timedelta(microseconds=1) if event.time else 0
    return {
        "schema": "hallmark.event.v1",
        "shard": int(shard),
        "number": int(number),
        "time_us": time_us,
        "actor": event.actor,
        "action": event.action,
        "resource": event.resource,
        "namespace": event.namespace,
        "detail": event.detail_json,
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }


@dataclass(kw_only=True)
class _Place:
    """How far an export got. `path` is None where nobody asked to remember."""

    path: Path | None
    asked: dict[str, str]
    cursor: str = ""
    length: int = 0

    @classmethod
    def of(cls, path: Path | None, asked: dict[str, str]) -> _Place:
        return cls(path=path, asked=asked)

    def load(self) -> None:
        if self.path is None:
            raise click.UsageError(
                "--resume goes on where OUT or STATE ended: add --out or --state."
            )
        if not self.path.exists():
            return
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            cursor, length, asked = kept["cursor"], int(kept["length"]), dict(kept["asked"])
        except (ValueError, KeyError, TypeError) as cause:
            raise click.UsageError(f"{self.path}: found no state of an export there.") from cause
        # A span such as 30d means another moment each time: what was asked first holds.
        differs = [
            name
            for name, value in self.asked.items()
            if name not in ("since", "until") and asked.get(name) != value
        ]
        if differs:
            raise click.UsageError(
                f"{self.path} is of another export: {', '.join(differs)} differ. Ask the same, or "
                "choose another file."
            )
        self.cursor, self.length, self.asked = cursor, length, asked

    def save(self, cursor: str, length: int) -> None:
        """After what it tells of is where it belongs."""
        self.cursor, self.length = cursor, length
        if self.path is None:
            return
        text = json.dumps({"cursor": cursor, "length": length, "asked": self.asked})
        new = self.path.with_name(f"{self.path.name}.new")
        with open(new, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.path)


class _FileSink:
    """To a file, or to standard output."""

    def __init__(
        self, file: IO[bytes], line_of: Callable[[Event], bytes], *, is_stored: bool
    ) -> None:
        self._file = file
        self._line_of = line_of
        self._is_stored = is_stored
        self.count = 0

    def put(self, events: Sequence[Event]) -> int:
        """How long the output is with these."""
        self._file.write(b"".join(map(self._line_of, events)))
        self._file.flush()
        if self._is_stored:
            os.fsync(self._file.fileno())
        self.count += len(events)
        return self._file.tell() if self._is_stored else 0

    def close(self) -> None:
        if self._is_stored:
            self._file.close()


class _SyslogSink:
    """To a syslog server."""

    def __init__(self, sender: SyslogSender, line_of: Callable[[Event], bytes]) -> None:
        self._sender = sender
        self._line_of = line_of
        self.count = 0

    def put(self, events: Sequence[Event]) -> int:
        self._sender.send([(event, self._line_of(event)) for event in events])
        self.count += len(events)
        return 0

    def close(self) -> None:
        self._sender.close()


def _sink(
    session: Session,
    place: _Place,
    *,
    out: Path | None,
    to: str | None,
    framing: str | None,
    resume: bool,
) -> _FileSink | _SyslogSink:
    from registry.client.syslog import SyslogSender, framed, line_of

    host = urlsplit(session.client.url).hostname or "-"
    if to is not None:
        sender = SyslogSender(to, framing=framing or "octet-counting", ca_file=_ca_file())
        return _SyslogSink(sender, lambda event: line_of(event, host=host))

    def line(event: Event) -> bytes:
        if place.asked["format"] == "syslog":
            return framed(line_of(event, host=host), framing or "newline")
        return (
            json.dumps(content_of(event), ensure_ascii=False, separators=(",", ":")).encode()
            + b"\n"
        )

    if out is None:
        return _FileSink(sys.stdout.buffer, line, is_stored=False)
    return _FileSink(_opened(out, place, resume=resume), line, is_stored=True)


def _opened(out: Path, place: _Place, *, resume: bool) -> IO[bytes]:
    if not resume:
        try:
            return open(out, "xb")
        except FileExistsError as cause:
            raise click.UsageError(
                f"{out} is there already. Go on with --resume, or choose another file."
            ) from cause
    file = open(out, "r+b" if out.exists() else "w+b")  # noqa: SIM115 - closed by the sink
    if file.seek(0, os.SEEK_END) < place.length:
        file.close()
        raise click.UsageError(f"{out} is shorter than when {place.path} was written: start anew.")
    # What is behind belongs to a batch that was cut off.
    file.truncate(place.length)
    file.seek(place.length)
    return file


def _run(
    session: Session,
    sink: _FileSink | _SyslogSink,
    place: _Place,
    *,
    follow: bool,
    since: datetime | None,
    until: datetime | None,
) -> None:
    while True:
        batches = session.client.audit.export(
            place.asked["namespace"],
            action=place.asked["action"],
            start_time=since,
            end_time=until,
            cursor=place.cursor,
        )
        for batch in batches:
            _keep(batch, sink, place)
        if not follow:
            return
        time.sleep(FOLLOW_S)


def _keep(batch: ExportBatch, sink: _FileSink | _SyslogSink, place: _Place) -> None:
    if batch.events or batch.cursor != place.cursor:
        place.save(batch.cursor, sink.put(batch.events))


def _how_to_go_on(place: _Place) -> str:
    return "Go on with the same command and --resume" if place.path else ""


def _ca_file() -> Path | None:
    """As for the registry itself."""
    path = os.environ.get("HALLMARK_CA_FILE", "")
    return Path(path) if path else None
