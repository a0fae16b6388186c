"""The file of servers to probe on (HALLMARK_TRITON_PROBES_FILE): strict YAML, problems with lines.

`PROBE.md` here says what each key means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.errors import InvalidFieldError, StartError
from registry.formats.yaml_lines import Document, UnreadableError, read_yaml
from registry.names.rules import check_stage
from registry.names.text import show
from registry.serving.probe_target import ProbeTarget, check_key_name, parse_url

TIMEOUT_S_MAX = 24 * 3600
_SPAN = re.compile(r"([0-9]{1,6})([smh])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600}
_FILES = ("ca_file", "certificate_file", "certificate_key_file", "repository")
KEYS = ("url", *_FILES, "keys", "load_timeout", "infer_timeout")


def read_probes(path: Path) -> Mapping[str, ProbeTarget]:
    """Targets by stage. Raises StartError, which names every problem with its line. Files that it
    names are only read by a probe, so that they may change."""
    try:
        document = read_yaml(path.read_bytes())
    except OSError as error:
        raise _wrong(path, f"it cannot be read: {error.strerror}") from error
    except UnreadableError as error:
        raise _wrong(path, f"it cannot be read: {error}") from error
    reader = _Reader(document, path.parent)
    found = {stage: reader.target(stage, row) for stage, row in reader.rows().items()}
    if reader.problems:
        raise _wrong(path, "; ".join(f"line {line}: {text}" for line, text in reader.problems))
    return found


def _wrong(path: Path, found: str) -> StartError:
    return StartError(
        what=f"Servers to probe on {path} (HALLMARK_TRITON_PROBES_FILE)",
        found=found,
        fix="Correct the file and start again; policies/triton-probes.example.yaml shows the form.",
    )


class _Reader:
    """Reads on after a problem, so that all of them are told at once."""

    def __init__(self, document: Document, folder: Path) -> None:
        self._document = document
        self._folder = folder
        #: (line, what is wrong).
        self.problems: list[tuple[int, str]] = []

    def rows(self) -> Mapping[str, Any]:
        top = self._document.value
        if not isinstance(top, dict) or set(top) != {"probes"}:
            self._tell("found other than the one key 'probes'")
            return {}
        rows = top["probes"]
        if not isinstance(rows, dict) or not rows:
            self._tell("probes: found none, expected a stage with its server for each", "probes")
            return {}
        return rows

    def target(self, stage: str, row: Any) -> ProbeTarget:
        """One that is of no use where something is wrong with it."""
        place = ("probes", stage)
        self._check(lambda: check_stage(stage, field="stage"), *place)
        if not isinstance(row, dict):
            self._tell(f"{show(stage)}: expected keys: {', '.join(KEYS)}", *place)
            row = {}
        for key in row:
            if key not in KEYS:
                self._tell(f"no such key {show(key)}, expected {', '.join(KEYS)}", *place, key)
        if ("certificate_file" in row) != ("certificate_key_file" in row):
            self._tell(
                "found one of certificate_file and certificate_key_file, expected both", *place
            )
        files = {key: self._file(row, key, *place) for key in _FILES}
        host, port, is_tls = self._url(row, *place)
        if not is_tls and (files["ca_file"] or files["certificate_file"]):
            self._tell("certificates only go with grpcs://", *place, "url")
        return ProbeTarget(
            host=host,
            port=port,
            is_tls=is_tls,
            ca_file=files["ca_file"],
            certificate_file=files["certificate_file"],
            key_file=files["certificate_key_file"],
            key_files=self._key_files(row.get("keys", {}), *place, "keys"),
            repository=files["repository"],
            load_timeout_s=self._span(row, "load_timeout", "5m", *place),
            infer_timeout_s=self._span(row, "infer_timeout", "60s", *place),
        )

    def _url(self, row: Mapping[str, Any], *place: str) -> tuple[str, int, bool]:
        if "url" not in row:
            self._tell(f"{show(place[-1])}: found no 'url'", *place)
            return "", 0, True
        found = self._check(lambda: parse_url(str(row["url"])), *place, "url")
        return found or ("", 0, True)

    def _key_files(self, said: Any, *place: str) -> Mapping[str, Path]:
        if not isinstance(said, dict):
            self._tell("keys: expected a name with its file for each", *place)
            return {}
        for name in said:
            self._check(lambda name=name: check_key_name(name), *place, name)
        return {name: self._file(said, name, *place) or Path() for name in said}

    def _file(self, row: Mapping[str, Any], key: str, *place: str) -> Path | None:
        if key not in row:
            return None
        said = row[key]
        if not isinstance(said, str) or not said:
            self._tell(f"{key}: expected a path", *place, key)
            return None
        return self._folder / said

    def _span(self, row: Mapping[str, Any], key: str, default: str, *place: str) -> float:
        match = _SPAN.fullmatch(str(row.get(key, default)))
        seconds = int(match[1]) * _UNITS_S[match[2]] if match else 0
        if not 0 < seconds <= TIMEOUT_S_MAX:
            found = show(str(row[key]))
            self._tell(
                f"{key}: found {found}, expected such as {default}, at most 24h", *place, key
            )
        return float(seconds)

    def _check(self, check: Any, *place: str) -> Any:
        try:
            return check()
        except InvalidFieldError as error:
            self._tell(str(error), *place)
            return None

    def _tell(self, problem: str, *place: str) -> None:
        self.problems.append((self._document.line(*place), problem))
