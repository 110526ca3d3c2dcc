# make demo   the main job, from nothing       make test   every test
# make check  linters, types, Terraform        make bench  every benchmark
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Much of the tests is waiting for Terraform's provider, so more of them run at a time than there are cores.
PYTEST_ARGS ?= -n 4 --dist loadscope
# A part of the kill sweep: make kill-sweep SWEEP_ARGS="--only scale --only restart"; --help names them all.
SWEEP_ARGS ?=
# --python /usr/bin/python3.11 for one.
NEWCOMER_ARGS ?=

.PHONY: help install demo test test-durations coverage check new-check new-operation format lock clean bench bench-morning bench-local-up bench-localcloud \
	bench-rollback bench-respond bench-logs bench-conformance bench-cloudtrail bench-diagnosis accuracy-logs bench-exec kill-sweep kill-sweep-stores kill-sweep-respond kill-sweep-maintenance rehearse-outside newcomer bench-adopt

help: ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.installed: pyproject.toml $(wildcard packages/*/pyproject.toml) requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("omc needs Python 3.11 or newer; this is %d.%d. Say which: make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null || test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	@UV=$$(command -v uv || echo $(BIN)/uv); \
	echo "Installing the locked packages into $(VENV)"; \
	$$UV pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/dev.txt && \
	$$UV pip install --quiet --python $(BIN)/python --no-deps --editable packages/localcloud --editable packages/omc
	@touch $@

install: $(VENV)/.installed ## the virtual environment, from the hashed lock

demo: install ## the stack comes up, its morning check passes, something breaks, the check says what and why
	@$(BIN)/python -m omc demo

test: install ## every test
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-durations: install ## every test, and how long each group took noted in tests/durations.json, so that the longest begin
	@$(BIN)/python -m pytest $(PYTEST_ARGS) --write-durations

# Processes that tests start are measured too, except those that are killed. A failed test doesn't keep the figures back.
coverage: install ## every test, and which lines and branches of omc and localcloud they reach; COVERAGE_TESTS="packages/localcloud/tests" for a part
	@rm -rf .coverage-data && mkdir .coverage-data
	@COVERAGE_FILE=$(CURDIR)/.coverage-data/.coverage $(BIN)/coverage run -m pytest $(PYTEST_ARGS) $(COVERAGE_TESTS) || true
	@cd .coverage-data && $(CURDIR)/$(BIN)/coverage combine --quiet --rcfile=$(CURDIR)/pyproject.toml
	@$(BIN)/python scripts/coverage_report.py .coverage-data/.coverage

check: install ## linters, types, import contracts, Terraform, workflows
	@$(BIN)/python scripts/check.py

new-check: install ## a new morning check with its test: make new-check NAME=queue-depth
	@$(BIN)/python scripts/new_check.py $(NAME)

new-operation: install ## a new AWS operation of localcloud with its test: make new-operation SERVICE=ecs NAME=ListAttributes
	@$(BIN)/python scripts/new_operation.py "$(SERVICE)" "$(NAME)" "$(MODULE)"

format: install ## ruff and terraform fmt
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet . ; terraform fmt -recursive infrastructure

bench: bench-morning bench-local-up bench-localcloud bench-rollback bench-exec bench-respond bench-logs bench-diagnosis ## every benchmark

bench-morning: install ## omc check morning against the runbook's aws commands
	@$(BIN)/python benchmarks/morning.py

bench-local-up: install ## the first and a later start of the local cloud
	@$(BIN)/python benchmarks/local_up.py

bench-localcloud: install ## latency, 2,000 tasks and a million log events in the local cloud
	@$(BIN)/python benchmarks/localcloud.py

bench-rollback: install ## what omc rollback adds to the time that ECS needs
	@$(BIN)/python benchmarks/rollback.py

bench-exec: install ## omc exec against aws ecs execute-command, or against the bare calls where its plugin isn't there
	@$(BIN)/python benchmarks/exec.py

bench-respond: install ## ten thousand notifications in any order, and whether the incidents are those that should be
	@$(BIN)/python benchmarks/respond.py

bench-logs: install ## top talkers of five million flow log lines, against gawk and bare DuckDB; BENCH_LOGS_ARGS=--large for fifty million
	@$(BIN)/python benchmarks/logs.py $(BENCH_LOGS_ARGS)

bench-cloudtrail: install ## the security review against events that others labelled, in OMC_PUBLIC_CLOUDTRAIL=FOLDER
	@$(BIN)/python benchmarks/cloudtrail.py

bench-diagnosis: install ## omc diagnose over all scenarios: rank, path, false alarms, seconds; docs/diagnosis.md
	@PYTHONPATH=tests:packages/omc/tests $(BIN)/python -m rehearsal.diagnosis

bench-conformance: install ## moto's own tests against the local cloud; SERVICES="ecs logs" for a part (not in bench: an hour)
	@$(BIN)/python benchmarks/conformance/run.py

accuracy-logs: install ## how often log lines are grouped as people labelled them; LOGHUB=a clone of github.com/logpai/loghub
	@$(BIN)/python benchmarks/log_shapes.py $(LOGHUB)

kill-sweep: install ## omc killed at every write and in every call of its changes, and AWS failing at each
	@$(BIN)/python tests/killsweep/sweep.py $(SWEEP_ARGS)

kill-sweep-stores: install ## the same for the database and the cache: reboot, class, parameter, node type
	@$(BIN)/python tests/killsweep/sweep.py --environments 1 --only "database reboot" --only "database class" \
		--only "database parameter" --only "cache scale" --only "cache reboot" $(SWEEP_ARGS)

kill-sweep-respond: install ## two responders killed before and after every commit and send, PostgreSQL restarted, channels out
	@$(BIN)/python tests/killsweep/respond.py $(SWEEP_ARGS)

kill-sweep-maintenance: install ## who performs a maintenance killed before and after every commit and effect, forward and back
	@$(BIN)/python tests/killsweep/maintenance.py $(SWEEP_ARGS)

rehearse-outside: install ## faults by AWS's API, SQL and signals, and what the check says: docs/outside.md; STORIES="alarm database-dead" for a part
	@PYTHONPATH=tests:packages/omc/tests $(BIN)/python -m rehearsal.outside $(STORIES)

newcomer: install ## README's first commands as written, from a fresh clone in a folder with a space, as an ordinary user, on each Python
	@PYTHONPATH=tests $(BIN)/python tests/newcomer/fresh.py $(NEWCOMER_ARGS)

bench-adopt: install ## from an installed omc to the first true morning check of a stack that it has never seen
	@PYTHONPATH=tests:packages/omc/tests $(BIN)/python benchmarks/adopt.py

lock: install ## the hashed locks, made anew from pyproject.toml
	@UV=$$(command -v uv || echo $(BIN)/uv); \
	test -n "$$(command -v uv)" -o -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv; \
	$$UV pip compile --quiet --universal --generate-hashes --python-version 3.11 packages/omc/pyproject.toml -o requirements/omc.txt; \
	$$UV pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-package ecs-localcloud \
		packages/omc/pyproject.toml packages/localcloud/pyproject.toml --all-extras --group dev -o requirements/dev.txt; \
	$$UV pip compile --quiet --universal --generate-hashes --python-version 3.11 --constraints requirements/dev.txt \
		packages/omc/pyproject.toml --extra serve -o requirements/serve.txt; \
	for app in backend frontend; do \
		$$UV --directory apps/$$app pip compile --quiet --universal --generate-hashes --python-version 3.11 \
			--constraints ../../requirements/dev.txt requirements.in -o requirements.txt; \
	done

clean: ## the virtual environment and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
