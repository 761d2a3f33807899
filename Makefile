# The same words everywhere: make run, make test, make bench, make faults, make lint. ARGS go to the program: make bench ARGS=--floors-only

.PHONY: run test bench faults lint browser servers clients

run:
	cargo run -- $(ARGS)

# They keep both cores busy, or reckon with having them: each by itself, after the others.
ALONE := faults::a_seed_keeps_the_promise limits::hostile limits::connections:: processes::stopped

# More tests at a time than cores: they mostly wait for servers and for each other.
test: servers clients lint
	RUST_TEST_THREADS=4 cargo test --workspace -- $(addprefix --skip ,$(ALONE))
	RUST_TEST_THREADS=1 cargo test --workspace --test it -- $(ALONE)
	npm --prefix dashboard test
	$(MAKE) browser

# The dashboard in Chromium, over the program. Pictures of every screen are in dashboard/screenshots afterwards.
browser: servers clients
	cargo build
	npm --prefix dashboard run browser

# Built first: the bench starts the program and the fake that lie beside it.
bench: servers
	cargo build --release -p tests --bins
	cargo run --release -p tests --bin bench -- $(ARGS)

# Seeds of faults, then each guard switched off until it is noticed. FROM and SEEDS say which: make faults FROM=1 SEEDS=50
FROM ?= 1
SEEDS ?= 10

faults: servers
	cargo run -p tests --bin faults -- --seed $(FROM) --seeds $(SEEDS) $(ARGS)
	cargo run -p tests --bin faults -- --table --seed $(FROM) --seeds 5 $(ARGS)

lint: clients
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings
	tests/conformance/node_modules/.bin/eslint -c tests/conformance/eslint.config.mjs --max-warnings 0 schema.graphql api/src/rest/operations
	node --test tests/conformance/contract.test.mjs
	npm --prefix dashboard run check
	@if command -v cargo-deny >/dev/null; then cargo deny --offline check licenses bans sources; \
	else echo "cargo-deny is not installed: a test checks licences and sources, and the bans by name"; fi

# The tests run on real servers. As root (a container) what is missing is installed, else it is named.
servers:
	@missing=; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing="$$missing postgresql"; \
	python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	command -v promtool >/dev/null || missing="$$missing prometheus"; \
	ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing="$$missing libfaketime"; \
	[ -n "$$missing" ] || exit 0; \
	[ "$$(id -u)" = 0 ] || { echo "please install:$$missing" >&2; exit 1; }; \
	apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing

# Others' clients, audits, linters and fuzzers, which the API is tried with.
clients: tests/conformance/node_modules/.installed tests/conformance/.venv/.installed dashboard/node_modules/.installed

tests/conformance/node_modules/.installed: tests/conformance/package-lock.json
	npm --prefix tests/conformance ci
	touch $@

# What was installed, as the api crate's build script keeps it too.
dashboard/node_modules/.installed: dashboard/package-lock.json
	npm --prefix dashboard ci
	cp $< $@

tests/conformance/.venv/.installed: tests/conformance/requirements.txt | servers
	python3 -m venv tests/conformance/.venv
	tests/conformance/.venv/bin/pip install --quiet -r tests/conformance/requirements.txt
	touch $@
