"""Policies for tests: the shipped set, compiled once, and one that a test makes up."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

from registry.formats.yaml_lines import read_yaml
from registry.policies.evaluator import CompiledPolicy
from registry.policies.google import GoogleEngine
from registry.policies.loader import Loaded, load, read_folder
from registry.policies.reader import CelPolicyReader
from registry.ports.database import Database, Transaction
from registry.ports.policy import Policy
from registry.shipped import shipped_folder

#: For tests that load many sets which differ in one file.
read_yaml_once = lru_cache(maxsize=32)(read_yaml)


@cache
def shipped() -> Loaded:
    """The set that comes with Hallmark."""
    return load(shipped_files(), GoogleEngine())


@cache
def shipped_files() -> dict[str, bytes]:
    return read_folder(shipped_folder())


class RememberingReader(CelPolicyReader):
    """Compiles the shipped set no second time, and reads no good files a second time."""

    def compile(self, content: bytes) -> CompiledPolicy:
        policy = shipped().policy
        return policy if content == _shipped_content() else super().compile(content)

    def read(self, files: Mapping[str, bytes]) -> tuple[bytes, CompiledPolicy]:
        return _read(tuple(files.items()))


@lru_cache(maxsize=64)
def _read(files: tuple[tuple[str, bytes], ...]) -> tuple[bytes, CompiledPolicy]:
    return CelPolicyReader().read(dict(files))


@cache
def _shipped_content() -> bytes:
    return shipped().policy.policy_set.content()


def activate_shipped(database: Database, time_us: int) -> None:
    """As a first start does, but without an event, so that tests see their own alone."""
    digest, content = shipped().policy.digest, _shipped_content()

    def fn(tx: Transaction) -> None:
        tx.policies.put(digest, content, time_us)
        tx.policies.activate_first(digest, time_us)

    database.write(fn)


class FixedPolicy:
    """One policy, whatever the database says is active."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def active(self, tx: Transaction) -> Policy:
        return self._policy

    def recent(self) -> Policy:
        return self._policy

    def of(self, tx: Transaction, digest: str) -> Policy | None:
        return self._policy if digest == self._policy.digest else None
