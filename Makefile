# Two commands do everything: `make demo` and `make test`. Both need only Python 3.11+, git and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := $(CURDIR)/.venv/bin
WITH_VENV := PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1

.PHONY: install demo test test-slow lint types layers clean-demo

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,lint,docs]'
	@touch $@

# The main job: one geometry -> a tested potential, every label a DFT calculation. Can be interrupted
# and started again; nothing that ended is computed twice.
demo: install
	@test -f demo/dvc.yaml || $(BIN)/aldata init demo
	cd demo && $(WITH_VENV) dvc repro
	@cd demo && git add . && (git diff --cached --quiet || git commit --quiet -m "Generations of the demo")
	@cd demo && $(WITH_VENV) aldata status

clean-demo:
	rm -rf demo

test: install
	$(WITH_VENV) python -m pytest -n 2 --dist loadfile -m "not slow"

test-slow: install
	$(WITH_VENV) python -m pytest -n 2 --dist loadfile -m slow

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports
