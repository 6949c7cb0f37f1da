# What a person types. Everything runs in .venv, made here with plain pip from the hash-locked files.
SHELL := /bin/bash
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# .venv holds what its lock files name and runs it: a user's settings say from where pip takes packages, not where to.
unexport PYTHONHOME PYTHONPATH PYTHONOPTIMIZE PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON
export PIP_USER := 0

# DVC asks for both, and a container that runs under any user id may have neither.
ifndef HOME
export HOME := $(shell echo ~)
endif
ifndef LOGNAME
export LOGNAME := $(shell id -un 2> /dev/null)
endif

# A mirror of the official files, where one lies beside the project.
ifndef DATASETS_MIRROR
ifneq ($(wildcard ../shared/datasets),)
export DATASETS_MIRROR := $(abspath ../shared/datasets)
endif
endif

.PHONY: help repro results cluster test test-guides test-faults audit check review compare up-to-date demo study sweeps knobs networks calibrate bench replicas page lint format setup lock

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/' | expand -t 20

repro: .venv/ready $(if $(WORKERS),.venv/ready-cluster) ## a new clone to finished metrics (JOBS=1: a data set at a time; WORKERS=4: on a cluster of so many)
	@python -m tools.repair
	@# A wrong params.yaml stops tools.sources.
	@banner=$$(python -m tools.sources) || exit; say() { [ -z "$$banner" ] || echo "$$banner"; }; say; \
	$(if $(WORKERS),python -m tools.cluster "$$WORKERS") python -m tools.repro && echo && python -m tools.results; \
	status=$$?; say; exit $$status

results: .venv/ready ## the results of all data sets as a table
	@python -m tools.results

cluster: .venv/ready-cluster ## what a Dask cluster needs, here and where its workers run

PYTEST = python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
test: .venv/ready-test ## the tests
	$(PYTEST)

test-guides: .venv/ready-test ## every command of README and docs, pasted into clones
	$(PYTEST) tests/showcase/test_commands.py tests/showcase/test_guides.py -m 'guides and not slow'

test-faults: .venv/ready-test ## kills, full disks, failing sources, hostile files -> docs/reliability.md
	python -m pytest tests/faults -m '' --reliability docs/reliability.md
	python -m pytest tests/showcase tests/test_zoo.py tests/test_team.py -m slow

# Fails also where a package cannot be checked (--strict). Of what goes wrong, the last line says what.
audit: .venv/ready-test ## known vulnerabilities of what the lock files name
	@set -o pipefail; { python -m pip_audit --strict --disable-pip --require-hashes --timeout=10 \
	--progress-spinner=off $(patsubst %,-r %,$(wildcard requirements*.lock)) 2>&1 >&3 | tail -n 1 >&2; } 3>&1

check: .venv/ready-test lint test ## what CI runs: format, lint, tests; beside it make test-guides

review: .venv/ready ## is the workspace better than BASE? (BASE=main [HEAD=...] [PAGE=review.html] [JSON=1] [FAIL_ON=worse])
	@python -m tools.review "$${BASE:-main}" $${HEAD:+"$$HEAD"} $${PAGE:+--html "$$PAGE"} $${JSON:+--json} $(FAIL_ON:%=--fail-on %)

compare: .venv/ready ## the experiments on top of BASE in one table: which are better, which may be the best? ([BASE=main] [EXPERIMENTS="a b c"])
	@python -m tools.compare "$${BASE:-main}" $(EXPERIMENTS)

up-to-date: .venv/ready ## is dvc.lock that of the code and the parameters? Whatever lies in data/
	@# Asked in a copy of what Git would commit: where data/ is that of another state, DVC calls its stages changed.
	@set -e; copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; \
	export DVC_SITE_CACHE_DIR="$$copy/.site"; git init -q "$$copy"; \
	GIT_INDEX_FILE="$$copy/.index" git add -A; GIT_INDEX_FILE="$$copy/.index" git checkout-index -aq --prefix="$$copy/"; \
	cd "$$copy"; plan=$$(dvc repro --dry --allow-missing 2>&1) && ! grep -q 'Running stage' <<< "$$plan" || { \
	grep 'Running stage' <<< "$$plan" || echo "$$plan"; echo 'dvc.lock is out of date: run dvc repro and commit what it changes.'; exit 1; }

demo: .venv/ready ## changes, better variants, and what the review says of them -> docs/demo.md
	@python -m studies.demo

study: .venv/ready ## the tutorial's chapter on regularisation, in the queue -> docs/study.md
	@python -m studies.study

sweeps: .venv/ready ## how often is a sweep wrong, and what does it take? -> docs/sweeps.md
	@python -m studies.sweeps

knobs: .venv/ready ## what the tutorial's knobs are worth, as sweeps in the queue -> docs/knobs.md
	@python -m studies.knobs

networks: .venv/ready ## the example networks beside the default ones, in the queue -> docs/networks.md
	@python -m studies.networks

calibrate: .venv/ready ## how often is the review wrong? -> docs/calibration.md
	python -m studies.calibrate

page: .venv/ready ## renew the Vega that the page of `dvc plots` carries (needs npm)
	@python -m tools.page

bench: .venv/ready-test ## speed beside other ways to do the same -> docs/benchmark.md
	python -m studies.bench

replicas: .venv/ready ## replicas beside model.fit, network by network -> docs/replicas.md
	@python -m studies.bench.networks

lint: .venv/ready-test ## check format and code
	ruff format --check .
	ruff check .

format: .venv/ready-test ## rewrite the code in the project's format
	ruff format .
	ruff check --fix .

setup: .venv/ready ## .venv alone

COMPILE = uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock" --upgrade -q
lock: ## compile requirements*.lock from pyproject.toml anew (needs uv)
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --group cluster -c requirements.lock -o requirements-cluster.lock
	$(COMPILE) --group test -c requirements.lock -c requirements-cluster.lock -o requirements-test.lock

.venv/ready: requirements.lock tools/path.pth
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and f"Python 3.11 to 3.13 is needed, $(PYTHON) is {sys.version.split()[0]}; name another: make PYTHON=python3.11")'
	@echo 'Setting up .venv: this takes a minute or two, once.'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@cp tools/path.pth "$$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	@touch $@

.venv/ready-cluster: .venv/ready requirements-cluster.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-cluster.lock
	@touch $@

.venv/ready-test: .venv/ready requirements-test.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	@touch $@
