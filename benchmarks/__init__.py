"""Hallmark measured beside MLflow and nginx. Run as `python -m benchmarks`; see README.md."""
