# `make setup` prepares .venv; every other target does so first. Safe to repeat, fast the second time.
PYTHON ?= python3
# An index that torch alone is taken from, such as https://download.pytorch.org/whl/cpu.
TORCH_INDEX ?=

BIN := .venv/bin
STAMP := .venv/.ready
TORCH := $(shell grep '^torch==' constraints.txt)
WORKFLOWS := $(wildcard .github/workflows/*.yml)
COLPALI := .venv-colpali
OLAH := .venv-olah
# From one index: torchvision works with the build of torch that it was made for.
TORCHES := $(shell grep -E '^torch(vision)?==' constraints.txt)
# Where tests ask for colpali-engine or torchvision; some of them have others beside, which run once more.
COLPALI_TESTS := tests/colpali tests/contract/test_eras.py tests/contract/test_bundled.py tests/contract/test_processors.py tests/encoders tests/flavours

.DEFAULT_GOAL := help
.PHONY: help setup fmt lint type layers lock docs docs-converters check test test-bot test-browser test-colpali test-faults test-github-api test-olah fuzz demo demo-bot bench bench-bot bench-hub bench-install bench-fidelity

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 17

setup: $(STAMP) ## Prepare .venv with everything that development needs

# With TORCH_INDEX torch comes without its dependencies: that index holds other versions of them.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet -c constraints.txt '$(TORCH)' $(if $(TORCH_INDEX),--no-deps --index-url '$(TORCH_INDEX)')
	$(BIN)/python -m pip install --quiet -c constraints.txt --editable '.[demo,bot]' --group dev
	touch $@

fmt: setup ## Format the code and fix what ruff can fix
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lint: setup ## Check format, style, spelling and workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/zizmor --offline --quiet .github action.yml
	$(BIN)/actionlint $(WORKFLOWS)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/hadolint Dockerfile

type: setup ## Check types with mypy
	$(BIN)/mypy

layers: setup ## Check that imports only go down
	$(BIN)/lint-imports

# Of any platform, and without an index in it: who installs it says where from.
lock: setup ## Pin what the Action and the image install, with digests
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command 'make lock' --override action/override.txt --no-emit-package torch \
	  --constraint constraints.txt --extra probe --extra bot pyproject.toml action/beside.in --output-file requirements.lock

docs: setup ## Write action.yml and the generated pages of docs
	$(BIN)/python action/write.py
	$(BIN)/python docs/generate.py

docs-converters: setup ## Try every model class of transformers again, for docs/reference/converters.md
	$(BIN)/python docs/converters.py
	$(BIN)/python docs/generate.py

check: lint type layers ## Everything that CI checks, but the tests
	$(BIN)/python action/write.py --check
	$(BIN)/python docs/generate.py --check

test: setup ## Run the tests on two processes
	$(BIN)/python -m pytest -n 2

test-bot: setup ## Have the whole bot work for minutes: all places where merges are done, a thousand deliveries, fifty kills
	$(BIN)/python -m pytest -n 2 -m bot tests/bot

test-browser: setup ## Drive the bot's pages in a real browser: chromium, Chrome, or what ADAPTER_MERGE_BROWSER names
	$(BIN)/python -m pip install --quiet -c constraints.txt --group browser
	$(BIN)/python -m pytest -n 0 -m browser tests/bot/web

test-colpali: $(COLPALI)/.ready ## Run the tests that need colpali-engine, in an environment of its own
	$(COLPALI)/bin/python -m pytest -n 2 $(COLPALI_TESTS)

# colpali-engine asks for bounds on torch, PEFT and transformers, which our pinned versions are within.
$(COLPALI)/.ready: pyproject.toml constraints.txt
	test -x $(COLPALI)/bin/python || $(PYTHON) -m venv $(COLPALI)
	$(COLPALI)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(COLPALI)/bin/python -m pip install --quiet -c constraints.txt $(TORCHES) $(if $(TORCH_INDEX),--no-deps --index-url '$(TORCH_INDEX)')
	$(COLPALI)/bin/python -m pip install --quiet -c constraints.txt --editable '.[demo]' --group dev --group colpali
	touch $@

test-olah: setup $(OLAH)/.ready ## Pull through olah, a mirror of the Hub, in an environment of its own
	ADAPTER_MERGE_OLAH=$(CURDIR)/$(OLAH)/bin/olah-cli $(BIN)/python -m pytest tests/hub/test_olah.py

$(OLAH)/.ready: pyproject.toml
	test -x $(OLAH)/bin/python || $(PYTHON) -m venv $(OLAH)
	$(OLAH)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(OLAH)/bin/python -m pip install --quiet --group olah
	touch $@

test-action: setup ## Run the Action in whole jobs on this machine, by act
	$(BIN)/python -m pytest -n 0 -m act tests/action

# GitHub's own description of its API, and Prism, which lets nothing through that isn't in it.
test-github-api: setup ## Hold every request to GitHub against GitHub's own OpenAPI (needs npm)
	npm install --prefix .cache/github-api --no-save --no-package-lock --no-audit --no-fund --ignore-scripts \
	  @octokit/openapi@23.0.2 @stoplight/prism-cli@5.16.0
	$(BIN)/python -m pytest -n 0 tests/github/test_openapi.py

image-check: ## Build the image without a daemon and try it (needs root, buildah and debootstrap, of Debian)
	.ci/image

test-faults: setup ## Let every request of whole runs on a Hub fail, in turn and in every way
	$(BIN)/python -m pytest -n 2 -m faults tests/hub/test_whole_run_faults.py

fuzz: setup ## Ten thousand cases of each kind of stranger's file
	$(BIN)/python -m pytest -n 2 tests/test_fuzz.py tests/test_header.py --hypothesis-profile=fuzz

demo: setup ## Train an adapter on a small real model, merge it and compare embeddings
	$(BIN)/adapter-merge demo

demo-bot: setup ## Have the bot on a Hub on loopback merge an adapter that is pushed four times, once
	$(BIN)/adapter-merge bot demo

bench: setup ## Measure memory and speed; writes benchmarks/RESULTS.md
	$(BIN)/python benchmarks/bench.py

bench-hub: setup ## Measure a whole run on a Hub on loopback beside hf download and upload; writes benchmarks/RESULTS.md
	$(BIN)/python benchmarks/hub.py

bench-bot: setup ## Post a thousand deliveries to the bot while it merges; writes benchmarks/RESULTS.md
	$(BIN)/python benchmarks/webhook.py

bench-install: setup ## Measure what the Action takes until its step begins; writes benchmarks/RESULTS.md
	$(BIN)/python benchmarks/install.py

bench-fidelity: setup ## Plant faults in real merges; writes the table of docs/concepts/how-a-merge-is-proved.md
	$(BIN)/python benchmarks/fidelity.py
