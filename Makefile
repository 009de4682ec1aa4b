# Everything that you do with this package, one command each: `make` lists them.
#
# Needs Python 3.11 or later and make (GNU make 3.81, as macOS has it, is enough). make installs everything else into .venvs,
# from the locked and hashed files in requirements/.

PYTHON ?= python3

# Further options of a command, e.g.
#   make deploy ARGS="--scope organization --parameter AlarmEmail=security@example.com"
ARGS ?=

# Where the local AWS serves.
PORT ?= 4566

# One environment for each job, since their requirements contradict each other: see the files in requirements/.
DEV := .venvs/dev/.installed
LOCAL_AWS := .venvs/local-aws/.ready
LAMBDA_RUNTIME := .venvs/lambda-runtime/.ready
BIN := .venvs/dev/bin

ARTEFACT := .aws-sam/build/template.yaml
TEMPLATES := template.yaml account.yaml region-forwarder.yaml root-credentials.yaml
ARTEFACT_SOURCES := $(TEMPLATES) samconfig.toml $(sort $(shell find rules -name __pycache__ -prune -o -type f -print))
# Changes when a file comes or goes. A directory's own time would change with each __pycache__, too.
ARTEFACT_LIST := .cache/artefact-sources
$(shell mkdir -p .cache && { echo '$(ARTEFACT_SOURCES)' | cmp -s - $(ARTEFACT_LIST) || echo '$(ARTEFACT_SOURCES)' > $(ARTEFACT_LIST); })

# What pip installs into the artefact. The tests build it again from here, without a network. pip wants no spaces in the address.
WHEELS := .cache/wheels/.ready
SPACE := $(subst ,, )
WHEELS_URL := file://$(subst $(SPACE),%20,$(CURDIR))/.cache/wheels

# sam build runs rules/Makefile with an interpreter that has pip. It must not get the flags of this make.
SAM_BUILD := MAKEFLAGS= PYTHON="$(CURDIR)/$(BIN)/python" PIP_NO_INDEX=1 PIP_FIND_LINKS="$(WHEELS_URL)" $(BIN)/sam build

# A file's tests share what they deploy, so a file stays with one process. Tests also wait for the local AWS, so there is one process
# more than there are CPUs. More than four would each deploy for little.
PROCESSES := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
PYTEST := $(BIN)/python -m pytest --numprocesses $(PROCESSES) --maxprocesses 4 --dist loadfile

export SAM_CLI_TELEMETRY := 0

# Python keeps what it has compiled, whatever the shell says: the tests start hundreds of processes, and each would compile
# again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo local-aws root-user invoke build release preflight check deploy report inventory evidence verify delete lint lint-python lint-templates render test test-fast test-clients bench bench-organization bench-report bench-auditing bench-evidence lock clean

help: ## List what there is to do
	@awk 'BEGIN { FS = ":.*## " } /^[a-z][a-z-]*:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Environments ---

setup: $(DEV) $(LOCAL_AWS) $(LAMBDA_RUNTIME) ## Install the tools into .venvs (-j3: at the same time)

# It is made from scratch whenever the lock has changed, so that it has exactly what the lock says. It names every package, so
# pip need not look for what the packages depend on.
.venvs/%/.ready: requirements/%.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or later is needed, and '$(PYTHON)' is not that: say which one is, as in make PYTHON=python3.13" >&2; \
	  exit 1; }
	@echo "Installing .venvs/$* ..."
	@$(PYTHON) -m venv --clear .venvs/$*
	@.venvs/$*/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

# The operator's command, from this checkout. pyproject.toml says which packages it has.
$(DEV): .venvs/dev/.ready pyproject.toml
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock: $(DEV) ## Lock the requirements again (UPGRADE=--upgrade: to the newest releases)
	$(call lock,requirements/dev.in,requirements/dev.txt)
	$(call lock,requirements/local-aws.in,requirements/local-aws.txt)
	$(call lock,requirements/lambda-runtime.in,requirements/lambda-runtime.txt)
	$(call lock,requirements/prowler.in,requirements/prowler.txt,--overrides requirements/prowler.overrides)
	$(call lock,requirements/cloud-custodian.in,requirements/cloud-custodian.txt)
	$(call lock,requirements/artefact.in,rules/requirements.txt,--no-deps)

# One lock for every platform and for Python 3.11 and later. An unchanged lock keeps its time stamp, so that no environment is
# made again for nothing.
define lock
@cp -p $(2) $(2).was
$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(UPGRADE) $(3) $(1) -o $(2)
@if cmp -s $(2) $(2).was; then mv -f $(2).was $(2); else rm -f $(2).was; fi
endef

# --- The package on the local AWS ---

demo: setup $(ARTEFACT) ## Show the package at work on the local AWS (KEEP=1: leave that running at the end)
	@$(BIN)/python -m demo $(if $(KEEP),--keep)

local-aws: $(LOCAL_AWS) $(LAMBDA_RUNTIME) ## Serve the local AWS on PORT until interrupted (ACCOUNTS=file.yaml: with other accounts)
	@.venvs/local-aws/bin/python -m local_aws serve --port $(PORT) $(if $(ACCOUNTS),--accounts $(ACCOUNTS))

# For example: make root-user ARGS="012345678912 add-virtual-device phone"
root-user: $(LOCAL_AWS) ## Change a root user of the local AWS on PORT, as its owner would (ARGS="--help")
	@.venvs/local-aws/bin/python -m local_aws --port $(PORT) root-user $(ARGS)

EVENT ?= events/scheduled-own-account.json
invoke: setup $(ARTEFACT) ## Invoke the artefact on the local AWS with EVENT=events/....json (RUNNING=PORT: on the one that runs there)
	@$(BIN)/python -m demo.invoke $(EVENT) $(if $(RUNNING),--port $(RUNNING))

# --- Build and deploy ---

build: $(ARTEFACT) ## Build the Lambda artefact and the templates into .aws-sam/build

$(WHEELS): rules/requirements.txt | $(DEV)
	@rm -rf $(@D)
	@$(BIN)/python -m pip download -qq --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -d $(@D) -r $<
	@touch $@

$(ARTEFACT): $(ARTEFACT_SOURCES) $(ARTEFACT_LIST) $(WHEELS) $(DEV)
	@mkdir -p .aws-sam
	@echo "Building the artefact ..."
	@$(SAM_BUILD) > .aws-sam/build.log 2>&1 || { cat .aws-sam/build.log >&2; exit 1; }

release: $(DEV) ## Build dist/root-virtual-mfa-VERSION.zip and its checksum from the commit (ARGS="--tag v1.2.3": check the tag)
	@$(BIN)/python -m release $(ARGS)

# --- The operator's command, .venvs/dev/bin/root-virtual-mfa: each has ARGS="--help" ---

OPERATE := @$(BIN)/python -m organization

preflight: $(DEV) ## Check what a deployment for the organization needs, with the command for what is missing
	$(OPERATE) preflight $(ARGS)

check: $(DEV) ## Check what the rule would say about accounts, before anything is deployed (ARGS="--role-name ROLE")
	$(OPERATE) check $(ARGS)

deploy: $(ARTEFACT) ## Deploy to this account, or to its organization, after showing the change set
	$(OPERATE) deploy --no-build $(ARGS)

inventory: $(DEV) ## Show what the root user of each account has (ARGS="--output inventory.html")
	$(OPERATE) inventory $(ARGS)

report: $(DEV) ## Report every account of the deployment (ARGS="--output report.html")
	$(OPERATE) report $(ARGS)

evidence: $(DEV) ## Write the evidence of a period for an auditor (ARGS="--from 2026-01-01 --to 2026-12-31 --output evidence")
	$(OPERATE) evidence $(ARGS)

verify: $(DEV) ## Verify in your deployment what AWS's documentation leaves open (ARGS="--role-name ROLE")
	$(OPERATE) verify $(ARGS)

delete: $(DEV) ## Delete the deployment, after showing what goes and what stays
	$(OPERATE) delete $(ARGS)

# --- Checks ---

lint: $(DEV) ## Check style, types and templates
	@$(MAKE) --no-print-directory -j2 lint-python lint-templates

lint-python: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=rules:. $(BIN)/lint-imports --no-cache --no-logo

lint-templates: $(DEV)
	$(BIN)/cfn-lint --include-checks I -- $(TEMPLATES)
	@# Not with --lint, which is cfn-lint again. sam wants a Region, but asks nobody there.
	$(BIN)/sam validate --region us-east-1 --template template.yaml
	$(BIN)/python -m render --check

render: $(DEV) ## Write the scripts of remediation/ and the version into the templates, and the local AWS's page of coverage
	@$(BIN)/python -m render $(ARGS)

# The slow files of each run come first, so that at the end no process waits long for another.
# One test: .venvs/dev/bin/python -m pytest -k "part of its name"
test: setup lint build ## Run all checks and all tests
	$(PYTEST) tests/unit tests/functional --cov
	$(PYTEST) --no-loadscope-reorder tests/e2e tests/local_aws tests/organization tests/infrastructure

test-fast: setup build ## Run the tests that deploy nothing: unit, functional, organization, infrastructure
	$(PYTEST) tests/unit tests/functional tests/organization tests/infrastructure

test-clients: setup $(ARTEFACT) .venvs/prowler/.ready .venvs/cloud-custodian/.ready ## Run Prowler and Cloud Custodian on the local AWS, beside the rule
	@$(BIN)/python -m tests.clients

bench: setup $(ARTEFACT) ## Measure the rule beside bare boto3 and rdklib's sample, then the report on 300 to 10,000 accounts (ARGS="--help": the rule alone)
	@$(BIN)/python -m benchmark $(ARGS)
	@$(if $(ARGS),,$(BIN)/python -m benchmark.report)

bench-organization: setup $(ARTEFACT) ## Evaluate ACCOUNTS=300 with throttled calls, and 1,000 in three waves, and see that nothing is lost
	@$(BIN)/python -m benchmark.organization $(if $(ACCOUNTS),--accounts $(ACCOUNTS)) $(ARGS)

bench-auditing: setup $(ARTEFACT) ## Measure check and inventory on organizations of 250 to 1,000 accounts (ARGS="--accounts 250")
	@$(BIN)/python -m benchmark.auditing $(ARGS)

bench-report: setup $(ARTEFACT) ## Measure the report on organizations of 300 to 10,000 accounts (ARGS="--accounts 300 1000")
	@$(BIN)/python -m benchmark.report $(ARGS)

bench-evidence: setup $(ARTEFACT) ## Measure the evidence of 2,000 accounts over a year (ARGS="--accounts 300 --days 90")
	@$(BIN)/python -m benchmark.evidence $(ARGS)

clean: ## Remove what was built and cached (not .venvs)
	rm -rf .aws-sam .cache .hypothesis build dist
	find . -name .venvs -prune -o -name __pycache__ -prune -exec rm -rf {} +
