# These targets install everything: a fresh machine needs only Python >= 3.11 and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Three workers on two cores: many tests wait for processes, servers and browsers that they have started.
WORKERS ?= 3
DOCS_STAMP := $(VENV)/.installed-docs
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: install demo test check format clean results-report docs wheel test-cluster

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ResLab needs Python 3.11 or newer; $(PYTHON) is %d.%d.  Try: make PYTHON=python3.12" % sys.version_info[:2] or 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) "pip>=25.1"  # the first with dependency groups
	$(PIP) -c constraints.txt -e . --group dev
	@touch $@

demo: install
	$(BIN)/reslab demo --runs runs --out report

test: install
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: install
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

$(DOCS_STAMP): $(STAMP)
	$(PIP) -c constraints.txt --group docs
	@touch $@

docs: $(DOCS_STAMP)  # a warning, such as a dead link, is an error
	$(BIN)/sphinx-build --fail-on-warning --keep-going --fresh-env --quiet docs build/docs
	@echo build/docs/index.html

wheel: install
	$(PIP) -c constraints.txt --group release
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*

results-report: install
	$(BIN)/reslab report --runs results/runs --out results/report --title "Deep residual networks on CIFAR: our own runs" --author "The authors of ResLab" --figures svg

format: install
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

test-cluster: install
	@PATH="$$PATH:/usr/sbin:/sbin"; \
	for program in slurmctld slurmd munged sbatch; do command -v $$program > /dev/null || missing="$$missing $$program"; done; \
	if [ -n "$$missing" ]; then \
		[ "$$(id -u)" -eq 0 ] || { echo "no$$missing here: as root, apt-get install slurmctld slurmd slurm-client munge"; exit 1; }; \
		apt-get update -q && apt-get install -y -q slurmctld slurmd slurm-client munge; \
	fi
	$(PIP) -c constraints.txt --group cluster
	$(BIN)/python -m pytest -m "cluster or not deep" tests/cluster tests/lab/test_fetching.py tests/lab/test_relay.py
