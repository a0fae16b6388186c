"""The workload port: what a platform's token proves. Replaceable; only `auth` knows the format."""

from __future__ import annotations

from typing import Protocol

from registry.domain.workloads import Workload


class WorkloadVerifier(Protocol):
    def verify(self, jwt: str, now_us: int) -> Workload:
        """The workload, if the token is good at `now_us` and exactly one rule matches it.

        Raises WorkloadRefusedError, or IssuerUnavailableError where the issuer's keys cannot be
        had. May wait some seconds for these, a few callers at a time.
        """
