"""What the operator adds to the parsers and scanners, from the settings: YARA rules and ClamAV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from registry.errors import StartError
from registry.jail.process import Limits, NoJailError
from registry.vetting.jail import Jail, RulesError
from registry.vetting.tools import Tools

_ENDING = ".yar"
_SETTING = "HALLMARK_YARA_DIR"


class _UnfitError(Exception):
    """What was found in place of rules."""


def tools_of(
    clamav_socket: Path | None, yara_dir: Path | None, *, yara_option: str = _SETTING
) -> Tools:
    """Raises StartError, which names the option, where rules cannot be read or used. Asks no
    clamd: one that is down must not keep a registry from starting, and leaves files unknown until
    it is back."""
    try:
        rules = _rules_in(yara_dir) if yara_dir is not None else {}
        if rules:
            _try(rules)
    except _UnfitError as error:
        raise StartError(
            what=yara_option,
            found=f"{error}, expected a folder of YARA rules that compile, in files *{_ENDING}",
            fix="Correct it, or leave it empty to use no YARA rules, and start again.",
        ) from error
    return Tools(
        yara_rules=rules, clamav_socket="" if clamav_socket is None else str(clamav_socket)
    )


def _rules_in(folder: Path) -> Mapping[str, str]:
    try:
        files = sorted(path for path in folder.iterdir() if path.name.endswith(_ENDING))
    except OSError as error:
        raise _UnfitError(f"{folder} cannot be listed: {error.strerror}") from error
    if not files:
        # A folder that is not mounted would else switch the rules off without a word.
        raise _UnfitError(f"{folder} has no file *{_ENDING}")
    rules = {}
    for path in files:
        try:
            rules[path.name] = path.read_text(encoding="utf-8")
        except OSError as error:
            raise _UnfitError(f"{path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise _UnfitError(f"{path} is no UTF-8 at byte {error.start}") from error
    return rules


def _try(rules: Mapping[str, str]) -> None:
    """Compile them where they will be: the engine is nothing for the server's own process."""
    try:
        # Rules come before the walls, so missing walls say nothing of them.
        with Jail(Limits(bare=True), rules) as jail:
            jail.start()
    except RulesError as error:
        raise _UnfitError(str(error)) from error
    except NoJailError as error:
        raise _UnfitError(f"the process that compiles them failed: {error}") from error
