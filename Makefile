# make demo, make test, make check, make bench: each sets up what it needs, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := .tools/bin/uv
INSTALL := $(UV) pip install --quiet --python $(BIN)/python
PIP_TOOLS := --quiet --disable-pip-version-check

# Programs start twice as fast from bytecode, so it is written even where the environment says no.
unexport PYTHONDONTWRITEBYTECODE
# What is installed here must not depend on what stands elsewhere.
unexport PYTHONPATH VIRTUAL_ENV

.PHONY: demo test check bench bench-accuracy lock clean setup setup-dev

demo: setup
	@$(BIN)/worth demo

test: setup-dev
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal

# What CI runs, line for line.
check: setup-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/numpydoc lint $$(git ls-files 'features/*.py' 'models/*.py' 'training/*.py' 'serving/*.py' 'simulation/*.py' 'worth/*.py' 'worth_client/*.py')
	$(MAKE) --no-print-directory test

bench: bench-accuracy
	@$(BIN)/python -m benchmarks.fitting
	@$(BIN)/python -m benchmarks.training
	@$(BIN)/python -m benchmarks.explaining
	@$(BIN)/python -m benchmarks.events
	@$(BIN)/python -m benchmarks.service
	@$(BIN)/python -m benchmarks.speed

bench-accuracy: setup-dev
	@$(BIN)/python -m benchmarks.accuracy
	@$(BIN)/python -m benchmarks.portfolio

setup: $(VENV)/.base
setup-dev: $(VENV)/.dev

$(UV): requirements/installer.txt
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); ok or sys.exit("Worth needs Python 3.11 to 3.13. This is %s: name another with make PYTHON=python3.12." % sys.version.split()[0])'
	@echo "Setting up in $(VENV) (once)"
	@rm -rf .tools
	@$(PYTHON) -m pip install $(PIP_TOOLS) --target .tools --require-hashes -r requirements/installer.txt

$(BIN)/python: $(UV)
	@$(UV) venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(VENV)

$(VENV)/.base: $(BIN)/python requirements/base.txt pyproject.toml
	@$(INSTALL) --require-hashes -r requirements/base.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.base requirements/dev.txt
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

# No index host is written down: whoever installs asks their own.
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade --custom-compile-command "make lock"
lock: $(UV)
	$(LOCK) requirements/installer.in -o requirements/installer.txt
	$(LOCK) pyproject.toml requirements/build.in -o requirements/base.txt
	$(LOCK) pyproject.toml requirements/build.in --extra dev --extra postgres --extra spark --extra telemetry -c requirements/base.txt -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra postgres -c requirements/base.txt -o requirements/postgres.txt
	$(LOCK) pyproject.toml --extra spark -c requirements/base.txt -o requirements/spark.txt
	$(LOCK) pyproject.toml --extra telemetry -c requirements/base.txt -o requirements/telemetry.txt

clean:
	rm -rf $(VENV) .tools build *.egg-info
