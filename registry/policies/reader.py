"""The reader of policy sets, as the services ask for one."""

from __future__ import annotations

from collections.abc import Mapping

from registry.domain.policy_sets import set_of
from registry.policies.evaluator import CompiledPolicy
from registry.policies.google import GoogleEngine
from registry.policies.loader import PolicyFilesError, failed_examples, load, refusal


class CelPolicyReader:
    """Implements `PolicyReader`."""

    def __init__(self) -> None:
        self._engine = GoogleEngine()

    def compile(self, content: bytes) -> CompiledPolicy:
        return CompiledPolicy(set_of(content), self._engine, at_once=False)

    def read(self, files: Mapping[str, bytes]) -> tuple[bytes, CompiledPolicy]:
        try:
            loaded = load(files, self._engine)
        except PolicyFilesError as error:
            raise refusal(error.problems) from error
        failed = failed_examples(loaded)
        if failed:
            raise refusal(failed)
        return loaded.policy.policy_set.content(), loaded.policy
