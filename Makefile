# One command each. What a command does stands in .ci/; how they hang together, in .ci/README.md.

export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Else each process compiles all modules and rewrites all assertions anew, for ten seconds each time.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

.PHONY: help setup run demo quick test check soak proto baseline lock triton-tables bench bench-setup clean

help:
	@echo "make run      install what is needed and start the registry (data in ./var)"
	@echo "make demo     walk through the main job on scikit-learn's digits"
	@echo "make quick    format, lint, types, layers and the fast tests: the inner loop"
	@echo "make test     everything that must hold before a change is done"
	@echo "make soak     faults, fuzzing and client matrices: what takes long"
	@echo "make bench    compare with MLflow, nginx and scanners on this machine"
	@echo "make setup    the development environment alone, in .venv"
	@echo "make proto    regenerate registry/v1 from proto/registry/v1"
	@echo "make baseline accept the API as it is as what later changes must not break"
	@echo "make lock     resolve the locks, requirements.lock foremost (UPGRADE=1: anew)"
	@echo "make triton-tables  measure what the releases of NVIDIA Triton know"
	@echo "make clean    remove environments and caches, never data"

setup:
	@.ci/setup.sh dev convert

run: export HALLMARK_HOME ?= ./var
run:
	@.ci/setup.sh
	@exec hallmark serve

demo:
	@.ci/setup.sh convert
	python -m registry.testing.demo

quick: export TMPDIR = $(shell .ci/fast_tmp.sh)
quick: setup
	@.ci/check.sh code
	$(PYTEST) -m "not slow and not soak" --hypothesis-profile=quick -o tmp_path_retention_policy=failed

test: setup
	@.ci/apt.sh
	@.ci/triton.sh
	@.ci/check.sh code proto wheel
	$(PYTEST)

check: setup
	@.ci/check.sh code proto wheel

soak: setup
	@.ci/apt.sh
	@.ci/apt.sh samba samba-ad-provision samba-dsdb-modules samba-vfs-modules
	pytest -m soak --timeout=7200

proto: setup
	.ci/proto.sh

baseline: setup
	.ci/breaking.sh --accept

lock:
	.ci/lock.sh
	@.ci/setup.sh dev convert

triton-tables: setup
	python .ci/triton_tables.py

bench-setup:
	@.ci/apt.sh postgresql nginx nghttp2-client
	@VENV=.venv-bench .ci/setup.sh mlflow convert
	@.ci/scanners.sh

bench: bench-setup
	.venv-bench/bin/python -m benchmarks
	.venv-bench/bin/python -m benchmarks.transfers
	.venv-bench/bin/python -m benchmarks.vetting
	.venv-bench/bin/python -m benchmarks.serving_while_vetting
	.venv-bench/bin/python -m benchmarks.readiness

clean:
	rm -rf .venv .venv-bench .venv-scanners .venv-triton .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
