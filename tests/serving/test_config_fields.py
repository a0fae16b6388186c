"""Fields of config.pbtxt by the server that knows them."""

from __future__ import annotations

import pytest

from registry.serving.config_fields import is_known, servers, servers_knowing
from registry.serving.releases import shipped_releases
from registry.serving.spans import order


def test_fields_that_came() -> None:
    """Each is unknown to the servers before."""
    # model_config.proto of triton-inference-server/common, as the clients carry it.
    for message, field, before, since in [
        ("ModelInput", "is_non_linear_format_io", "2.48.0", "2.49.0"),
        ("ModelConfig", "model_metrics", "2.51.0", "2.52.0"),
        ("ModelMetrics.MetricControl", "histogram_options", "2.51.0", "2.52.0"),
        ("ModelEnsembling", "max_inflight_requests", "2.62.0", "2.63.0"),
    ]:
        assert not is_known(message, field, before)
        assert is_known(message, field, since)
        assert servers_knowing(message, field) == f"{since}-"


@pytest.mark.parametrize("server", ["2.45.0", "2.59.1", "2.73.0", "2.90.0"])
def test_what_all_servers_know(server: str) -> None:
    """Fields, values of enums and those of messages within messages, also between two versions."""
    assert is_known("ModelConfig", "max_batch_size", server)
    assert is_known("ModelInstanceGroup.Kind", "KIND_GPU", server)
    assert is_known("DataType", "TYPE_BF16", server)
    assert is_known("ModelRateLimiter.Resource", "count", server)
    assert not is_known("ModelConfig", "max_batch_sizes", server)
    assert not is_known("NoSuchMessage", "name", server)
    assert servers_knowing("ModelConfig", "max_batch_sizes") == ""


def test_a_server_before_the_first_is_taken_for_it() -> None:
    """Rather than for one that knows nothing."""
    assert is_known("ModelConfig", "name", "2.30.0")
    assert not is_known("ModelConfig", "model_metrics", "2.30.0")


def test_a_server_without_a_number() -> None:
    """Whatever any server knows may be known to it."""
    assert is_known("ModelEnsembling", "max_inflight_requests", "")
    assert not is_known("ModelEnsembling", "max_inflight_request", "")


def test_every_release_was_measured() -> None:
    """Each server that a row names; run `make triton-tables` after a change."""
    assert {each.server for each in shipped_releases().values()} - {""} <= set(servers())
    assert list(servers()) == sorted(servers(), key=order)
