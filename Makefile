.PHONY: setup lock

setup:
	.ci/setup.sh dev convert

lock:
	.ci/lock.sh
