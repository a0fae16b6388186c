"""Failed assertions of the shared suite are explained like those of a test module."""

import pytest

pytest.register_assert_rewrite("registry.testing.contracts")
