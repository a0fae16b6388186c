"""Policy files that somebody sent, read in a process of its own.

An expression of a few hundred characters can make gigabytes: the engine counts iterations, not the
bytes of texts and lists that are put together. So what was not agreed on by two people is compiled
and tried where memory and time are limited, and what dies there is a refusal.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import astuple

from registry.policies.evaluator import CompiledPolicy
from registry.policies.google import GoogleEngine
from registry.policies.loader import PolicyFilesError, failed_examples, load, refusal
from registry.policies.problems import Problem
from registry.policies.reader import CelPolicyReader

logger = logging.getLogger(__name__)

#: The shipped set takes a tenth of each.
MEMORY_BYTES = 2_000_000_000
CPU_S = 10
WALL_S = 60
_SELF = (sys.executable, "-m", "registry.policies.jail")


class JailedPolicyReader(CelPolicyReader):
    """Implements `PolicyReader` for sets that are only proposed."""

    def read(self, files: Mapping[str, bytes]) -> tuple[bytes, CompiledPolicy]:
        problems = _problems_of(files)
        if problems:
            raise refusal(problems)
        # Its expressions are not evaluated here: its examples hold.
        loaded = load(files, self._engine)
        return loaded.policy.policy_set.content(), loaded.policy


def _problems_of(files: Mapping[str, bytes]) -> list[Problem]:
    sent = {name: base64.b64encode(data).decode() for name, data in files.items()}
    try:
        done = subprocess.run(
            _SELF,
            input=json.dumps(sent),
            capture_output=True,
            text=True,
            # No secret of ours is in it.
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            timeout=WALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [_too_much()]
    if done.returncode != 0:
        logger.warning(
            "reading policy files ended with %s: %s", done.returncode, done.stderr[-500:]
        )
        return [_too_much()]
    return [Problem(*each) for each in json.loads(done.stdout)]


def _too_much() -> Problem:
    text = f"its examples take more than {CPU_S} s or {MEMORY_BYTES // 1_000_000} MB"
    return Problem("settings.yaml", 0, "the whole set", text)


def main() -> None:
    """Standard input holds the files, standard output their problems, both as JSON."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    files = {name: base64.b64decode(data) for name, data in json.load(sys.stdin).items()}
    try:
        problems = failed_examples(load(files, GoogleEngine()))
    except PolicyFilesError as error:
        problems = error.problems
    json.dump([astuple(problem) for problem in problems], sys.stdout)


if __name__ == "__main__":
    main()
