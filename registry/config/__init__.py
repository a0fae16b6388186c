"""Settings: built once at the start, from the environment and an optional file, all or nothing.

Only this package reads the server's environment. Problems are reported together.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.config.fields import FIELDS, Field
from registry.config.settings import Address, Settings
from registry.domain.directory import LdapSettings
from registry.errors import StartError
from registry.errors.redaction import without_user

__all__ = ["FIELDS", "Address", "Field", "Settings", "load"]

#: The file named here holds the same keys in TOML; the environment wins over it.
FILE_VARIABLE = "HALLMARK_SERVER_CONFIG"
#: Variables of the command line, which share the prefix; see `registry/client`.
CLIENT_VARIABLES = frozenset(
    {"HALLMARK_URL", "HALLMARK_TOKEN", "HALLMARK_TOKEN_FILE", "HALLMARK_CA_FILE", "HALLMARK_CONFIG"}
)


def load(environment: Mapping[str, str]) -> Settings:
    """The settings, or a StartError that names every problem: key, value and expectation."""
    problems: list[str] = []
    given = _from_file(environment.get(FILE_VARIABLE, ""), problems)
    known = {f.variable: f.key for f in FIELDS}
    for variable, text in environment.items():
        if variable in known:
            given[known[variable]] = text
        elif (
            variable.startswith("HALLMARK_")
            and variable != FILE_VARIABLE
            and variable not in CLIENT_VARIABLES
        ):
            problems.append(f"{variable}: no such setting, expected one of {', '.join(known)}")
    values: dict[str, Any] = {}
    for setting in FIELDS:
        home = values.get("home", Path("var"))
        text = given.get(setting.key, setting.default.replace("{home}", str(home)))
        try:
            values[setting.key] = setting.parse(text)
        except ValueError:
            found = _shown(setting.key, text)
            problems.append(f"{setting.variable}: found {found}, expected {setting.expected}")
    tls = (values.get("tls_certificate_file"), values.get("tls_key_file"))
    if (tls[0] is None) != (tls[1] is None):
        problems.append(
            "HALLMARK_TLS_CERTIFICATE_FILE and HALLMARK_TLS_KEY_FILE: found one, expected both"
        )
    ldap = {key: values.pop(key) for key in list(values) if key.startswith("ldap_")}
    if not problems:
        settings = LdapSettings(**{key.removeprefix("ldap_"): ldap[key] for key in ldap})
        values["ldap"] = settings
        problems += settings.problems()
    if problems:
        raise StartError(
            what=f"{len(problems)} setting(s) are wrong",
            found="; ".join(problems),
            fix="Correct them and start again.",
        )
    if values["processes"] is None:
        values["processes"] = 2 if values["database_url"].startswith("sqlite") else 1
    return Settings(**values)


def _shown(key: str, text: str) -> str:
    """A wrong value, as far as it is none that holds secrets."""
    if key == "database_url":
        return "a value"
    return repr(without_user(text.partition("?")[0] if key == "http_url" else text))


def _from_file(path: str, problems: list[str]) -> dict[str, str]:
    if not path:
        return {}
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problems.append(f"{FILE_VARIABLE}: {path} cannot be read: {error}")
        return {}
    known = {f.key for f in FIELDS}
    for key in content.keys() - known:
        problems.append(f"{path}: no such setting {key!r}, expected one of {', '.join(known)}")
    wrong = [key for key, value in content.items() if key in known and not isinstance(value, str)]
    problems.extend(f"{path}: {key}: expected a string in quotes" for key in wrong)
    return {key: value for key, value in content.items() if isinstance(value, str)}
