"""What the project asks for, and what the lock gives."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
#: What is measured beside Hallmark, each in an environment of its own.
SCANNERS = ROOT / "benchmarks" / "scanners"
TRITON = ROOT / ".ci" / "triton.in"
LOCKS = {
    "ours": LOCK,
    "triton": TRITON.with_suffix(".lock").read_text(),
    **{path.stem: path.read_text() for path in SCANNERS.glob("*.lock")},
}
PIN = re.compile(
    r"^([a-z0-9.-]+)==(\S+)(?: ; .*?)? \\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", re.M
)


def asked_for() -> list[str]:
    """Every requirement of pyproject.toml, as written."""
    tables = [
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]
    return sorted({line for table in tables for line in table})


def locked(name: str) -> list[str]:
    """The versions of a distribution in the lock; several where platforms or Pythons differ."""
    return [pin[2] for pin in PIN.finditer(LOCK) if pin[1] == canonicalize_name(name)]


@pytest.mark.parametrize("line", asked_for())
def test_dependency_is_bounded_and_locked(line: str) -> None:
    """Each dependency has a lower and an upper bound, and the lock holds versions within them."""
    requirement = Requirement(line)
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators == {">=", "<"}
    versions = locked(requirement.name)
    assert versions, "run `make lock`"
    assert all(requirement.specifier.contains(version) for version in versions)


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_lock_is_pins_with_hashes_alone(lock: str) -> None:
    """A lock names no place to fetch from, and nothing in it goes without a hash."""
    code = re.sub(r"^ *#.*\n", "", lock, flags=re.M)
    assert PIN.sub("", code).strip() == ""
    assert "://" not in lock


def test_every_scanner_is_locked() -> None:
    """Each scanner that is asked for has a lock in which it stands."""
    asked = {path.stem for path in SCANNERS.glob("*.in")}
    assert asked == {"modelaudit", "modelscan", "picklescan"}
    assert all(f"\n{name}==" in f"\n{LOCKS[name]}" for name in asked)


def test_triton_is_locked() -> None:
    """The tests' server is pinned, with nothing beside what was asked for: it needs no more."""
    asked = {
        canonicalize_name(Requirement(line).name)
        for line in TRITON.read_text().splitlines()
        if not line.startswith("#")
    }
    assert {pin[1] for pin in PIN.finditer(LOCKS["triton"])} == asked


def test_packages_are_named_one_by_one() -> None:
    """The wheel holds the two import packages and nothing that lies beside them."""
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [
        "registry",
        "bridges",
    ]


def test_policy_files_come_with_the_wheel() -> None:
    """The wheel has policies/ where an installed server looks for it."""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"policies": "registry/policies/shipped"}
    assert not (ROOT / "registry" / "policies" / "shipped").exists()


def test_schema_folder_is_no_package() -> None:
    """An __init__.py in proto/ would hide the import package `proto` of proto-plus."""
    assert not list((ROOT / "proto").rglob("__init__.py"))
