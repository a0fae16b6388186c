"""Arguments: what is understood, and what is refused with what was expected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from registry.cli.params import numbers_of, parse_moment, texts_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-01T12:00Z", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("2026-11-01T12:00+02:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("90m", NOW - timedelta(minutes=90)),
        ("2 w", NOW - timedelta(weeks=2)),
    ],
)
def test_moments(text: str, time: datetime) -> None:
    """ISO times, UTC where no zone is given, and spans before now."""
    assert parse_moment(text, now=NOW, ahead=False) == time


def test_spans_ahead() -> None:
    """A span may also lie ahead."""
    assert parse_moment("30d", now=NOW, ahead=True) == NOW + timedelta(days=30)


@pytest.mark.parametrize("text", ["", "yesterday", "12", "2026-13-01", "-5d", "999999w"])
def test_moments_that_are_none(text: str) -> None:
    """Anything else is no time."""
    with pytest.raises(ValueError, match="is no time"):
        parse_moment(text, now=NOW, ahead=False)


def test_pairs_and_files(tmp_path: Path) -> None:
    """Pairs and files of one JSON object mix; later ones win; values of parameters are text."""
    file = tmp_path / "params.json"
    file.write_text('{"lr": 0.1, "name": "x", "layers": [1, 2]}')
    found = texts_of([str(file), "lr=0.2", "note=a=b"], option="--params")
    assert found == {"lr": "0.2", "name": "x", "layers": "[1, 2]", "note": "a=b"}
    file.write_text('{"auc": 0.5, "n": 3}')
    assert numbers_of([str(file), "auc=0.6"], option="--metrics") == {"auc": 0.6, "n": 3.0}


@pytest.mark.parametrize("given", ["auc=high", "auc=nan", "auc=inf", "auc="])
def test_numbers_that_are_none(given: str) -> None:
    """A metric is a finite number."""
    with pytest.raises(click.BadParameter, match="finite number"):
        numbers_of([given], option="--metrics")


@pytest.mark.parametrize("content", ["[1]", "{", '{"a": true}', '{"a": null}', '{"a": {"b": 1}}'])
def test_files_that_hold_no_metrics(tmp_path: Path, content: str) -> None:
    """A metrics file is one flat JSON object of numbers."""
    file = tmp_path / "metrics.json"
    file.write_text(content)
    with pytest.raises(click.BadParameter, match="found"):
        numbers_of([str(file)], option="--metrics")


def test_a_file_that_is_not_there() -> None:
    """A word without = that is no file says what both may be."""
    with pytest.raises(click.BadParameter, match="KEY=VALUE"):
        numbers_of(["nowhere.json"], option="--metrics")
