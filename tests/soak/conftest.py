"""What drivers share: a seed to repeat a run by, and figures that are shown at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from registry.testing.postgres import PostgresServer

_FIGURES = "figures"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Of everything that is left to chance; given again by `pytest --randomly-seed=...`."""
    seed: int = request.config.getoption("randomly_seed")
    print(f"seed {seed}")
    return seed


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Without fsync: no test here is about a lost machine."""
    with PostgresServer(fsync=False) as server:
        yield server


@pytest.fixture
def tell(
    request: pytest.FixtureRequest, seed: int, record_property: Callable[[str, object], None]
) -> Callable[[str], None]:
    """Has one line of figures shown at the end of the run, pass or fail."""

    def tell(figures: str) -> None:
        line = f"{request.node.name}: {figures}; seed {seed}"
        print(line)
        record_property(_FIGURES, line)

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == _FIGURES
    ]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
