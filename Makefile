# One command each to set up, show, check, test and measure Stratos. Everything lives in .venv; nothing else is touched.
PYTHON ?= python3
PIP_FLAGS ?= --quiet --disable-pip-version-check
VENV := .venv
BIN := $(VENV)/bin
REQUEST ?= A small model that tells whether 14 mahjong tiles are a winning hand, with the decomposition: at least 95 % exact, p95 under 200 ms, at most $$1

.PHONY: setup setup-dev demo check test test-slow test-cloud evals results constraints clean FORCE

setup: $(VENV)/.installed
setup-dev: $(VENV)/.installed-dev

# torch first and alone: its pinned version keeps pip from pulling another build with several GB of CUDA.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt torch
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	touch $@

# An hour of this machine is priced, so that the bill shows how money is reserved and settled.
demo: setup
	$(BIN)/stratos run '$(REQUEST)' --yes --local-usd-per-hour 0.10

# Type checkers find the package under its own name through this link, whatever folder it was cloned into.
build/typecheck/stratos:
	mkdir -p build/typecheck
	ln -s ../.. $@

# The oldest and the newest that the manifests are for: before 1.31 jobs had no podFailurePolicy to rely on.
KUBERNETES := 1.31.0 1.37.0
MANIFESTS := $(filter-out %/kustomization.yaml %/brief.yaml,$(wildcard deploy/kubernetes/*/*.yaml))

check: setup-dev build/typecheck/stratos
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/yamllint --strict -c deploy/yamllint.yaml compose.yaml deploy
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	for version in $(KUBERNETES); do $(BIN)/kubernetes-validate --quiet --strict -k $$version $(MANIFESTS) || exit 1; done

# Two workers, a file each: the tests' own processes leave both cores half idle. In the folders' order, whole runs first: xdist's own
# puts files of few tests last, which are the longest, and one core would wait for them. Byte code is kept, whatever the environment says
# of it: else each of the many processes would compile the package again.
test: check
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: setup-dev
	$(BIN)/python -m pytest -m slow

# SKY: SkyPilot's program, in an environment of its own with `skypilot[slurm]` and `uv`. As root, with Slurm's packages; see evals/cloud.
SKY ?= sky
test-cloud: setup-dev
	STRATOS_SKY=$(SKY) $(BIN)/python -m pytest -m cloud

EVALS := mahjong planner selection estimator front prices pairing strategies teachers alignment acme many_sites speed tuning reliability
DOCUMENTS := $(EVALS:%=build/evals/%.json)

# The quick evals, a document each, and their table. `make results` puts the table into README.
evals: $(DOCUMENTS)
	$(BIN)/python -m stratos.evals.results $^

results: $(DOCUMENTS)
	$(BIN)/python -m stratos.evals.results --write $^

build/evals/%.json: setup-dev FORCE
	mkdir -p $(@D)
	$(BIN)/python -m stratos.evals.$* --quick --json > $@

FORCE:
.DELETE_ON_ERROR:

constraints: setup-dev
	{ echo "# Versions that were installed and tested together (Python 3.11, Linux, CPU). Written by \`make constraints\`."; \
	  $(BIN)/python -m pip freeze --all --exclude stratos-slm --exclude pip | sed 's/+cpu//' ; } > constraints.txt

clean:
	rm -rf $(VENV) build dist *.egg-info
