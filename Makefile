# make run: try it. make test: every check and the whole suite.
PYTHON ?= python3.11
PORT ?= 8000
export PORT
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: run test faults canary lint lock messages

run:
	@$(SHELL) mailbelly/run/venv.sh "$(PYTHON)" requirements.txt
	@$(PY) -m mailbelly.run

# What the first database made of the corpus, for the second to compare with.
export CORPUS_ROWS = $(CURDIR)/$(VENV)/corpus-rows.json

# Thousands of processes are started: each would compile what none may keep.
unexport PYTHONDONTWRITEBYTECODE

# Half of a test's time is waiting for processes of ours: three at once fill two cores.
# Tests that fork, or count their children, do so in processes without a browser.
# A second database is for what asks for one; the browser sees PostgreSQL, as in production.
SUITE := $(PY) -m pytest -n 3 --dist worksteal --ignore=tests/browser
BROWSER := $(PY) -m pytest -n 2 tests/browser

test: $(VENV)/dev.stamp lint
	rm -f $(CORPUS_ROWS)
	$(SUITE)
	$(PY) tests/postgres.py /bin/sh -c '$(SUITE) --database-only && $(BROWSER)'

# Longer than anybody waits for each day: some hundred processes killed at random, and
# one at each step of each door; PostgreSQL killed, and its line cut at each commit. A
# line for each says what came of it. Seeds are printed; FAULT_SEED= repeats one.
KILLS ?= 240
FAULTS := $(PY) -m pytest -q -s tests/threads/test_postfix.py \
  $(addprefix tests/faults/test_,random_kills.py random_deliveries.py every_step.py handed_over.py \
  cut_commits.py database_gone.py surroundings.py writers.py machines.py)
faults: $(VENV)/dev.stamp
	FAULT_KILLS=$(KILLS) $(FAULTS)
	FAULT_KILLS=$(KILLS) $(PY) tests/postgres.py $(FAULTS)

# django-q2 as it is now, and not as it is locked, against the deaths that our supervisor
# is there for: for a look each week, and before the lock moves. Needs the network.
CANARY := $(VENV)/canary
canary: $(VENV)/dev.stamp
	$(PY) -m venv --clear $(CANARY)
	$(CANARY)/bin/python -m pip install -q --disable-pip-version-check --no-deps django-q2
	$(PY) -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
	  > "$$($(CANARY)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/ours.pth"
	$(CANARY)/bin/python -m pip freeze | grep -i django-q2
	$(CANARY)/bin/python -m pytest -q tests/faults/test_worker.py tests/faults/test_queue.py

lint: $(VENV)/dev.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	ENV_FILE=tests/environment.env $(PY) -m mypy
	ENV_FILE=tests/environment.env PYTHONPATH=. $(VENV)/bin/lint-imports
	ENV_FILE=tests/environment.env $(PY) manage.py makemigrations --check --dry-run
	ENV_FILE=tests/environment.env $(PY) manage.py check --fail-level WARNING

$(VENV)/dev.stamp: requirements-dev.txt
	$(SHELL) mailbelly/run/venv.sh "$(PYTHON)" requirements-dev.txt
	touch $@

# After a text was added or changed (CONTRIBUTING.md); needs gettext. Sorted, and without
# dates and places, so that two branches seldom touch the same line.
NL := mailbelly/locale/nl/LC_MESSAGES/django.po
messages: $(VENV)/dev.stamp
	ENV_FILE=tests/environment.env $(PY) manage.py makemessages -l nl --no-obsolete \
	  --no-location --no-wrap -i .venv -i .venv-bench -i var -i tests -i bench -i examples
	msgattrib --sort-output --no-wrap --no-obsolete --clear-fuzzy --empty \
	  --clear-previous $(NL) | sed '/^"POT-Creation-Date/d' > $(NL).new
	mv $(NL).new $(NL)
	ENV_FILE=tests/environment.env $(PY) manage.py compilemessages -i .venv -i .venv-bench -l nl

# For whoever refreshes the locks: pip install uv.
lock:
	for name in requirements requirements-dev; do \
	  uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url $$name.in -o $$name.txt; done
