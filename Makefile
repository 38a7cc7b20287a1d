# Everything a developer types. Needs make, a C compiler and Python 3.11 or newer with its venv
# module and headers; what is missing is named, and installed when this runs as root on
# Debian/Ubuntu. All else goes into .venv, from the package index that pip is configured for.

PYTHON ?= python3
ARGS ?=
# Test files run side by side in so many processes: most of them wait for a peer, or for time.
TEST_WORKERS ?= 3

BUILT_FROM := pyproject.toml setup.py $(wildcard csrc/*.c csrc/*.h csrc/*.p??)
PIP := .venv/bin/python -m pip --disable-pip-version-check --quiet
SANITIZED := build/sanitized

# The tests' environment contains the run environment: once it exists, `run` and `demo` use it.
HAVE_DEV := $(wildcard .venv/.installed-dev)
RUN_READY := $(if $(HAVE_DEV),.venv/.installed-dev,.venv/.installed)
DEMO_READY := $(if $(HAVE_DEV),.venv/.installed-dev,.venv/.installed-demo)

.PHONY: help run test demo bench check load fuzz clean test-tools
.DELETE_ON_ERROR:

help:
	@echo 'make run     start the engine on loopback with the echo agent (ARGS="--sip 127.0.0.1:5070" …)'
	@echo 'make demo    place a real call to it; numbers, a stereo WAV and a picture in demo-out/'
	@echo 'make test    run the whole suite (ARGS="-k words" …)'
	@echo 'make check   format, lint, types, layering, C code under sanitizers'
	@echo 'make bench   tables against other implementations (ARGS="g711 resamplers --quick" …)'
	@echo 'make load    load test: calls per core'
	@echo 'make fuzz    every fuzzer for FUZZ_SECONDS (20) each'
	@echo 'make clean   remove what was built, and .venv'

run: $(RUN_READY)
	@exec .venv/bin/rapida-media serve $(ARGS)

demo: $(DEMO_READY)
	@.venv/bin/python -m rapida_media.demo $(ARGS)

# Many tests talk to real phones in real time, and one that has lost the processor to another for a
# moment says nothing about the engine: what fails (status 1) is run once more, alone. Ten thousand
# calls at once leave no time to others, and are counted better alone, too. Status 5: ARGS selects
# none of these.
test: .venv/.installed-dev test-tools
	.venv/bin/python -m pytest -n $(TEST_WORKERS) --dist loadfile -m 'not many_calls' $(ARGS); \
	  case $$? in 0 | 5) ;; 1) \
	    echo 'make test: what failed beside other tests has to pass alone:'; \
	    .venv/bin/python -m pytest -v --lf --lfnf=none -m 'not many_calls' $(ARGS);; \
	  *) exit 1;; esac
	.venv/bin/python -m pytest -m many_calls $(ARGS) || [ $$? -eq 5 ]

bench: .venv/.installed-bench
	@.venv/bin/python -m bench $(ARGS)

load: .venv/.installed-dev
	@.venv/bin/python -m bench.load $(ARGS)

# The C targets need clang with libFuzzer and are left out, loudly, without it. The Python targets
# are guided by coverage where atheris has a wheel for this Python, else by their seeds alone. The
# two run side by side.
fuzz: .venv/.installed-dev
	@.ci/packages csrc/fuzz/packages.txt || true
	@$(PIP) install --only-binary :all: 'atheris>=3' 2>/dev/null || \
	  echo 'make fuzz: no atheris for this Python; its targets run unguided.'
	@PYTHON=.venv/bin/python csrc/fuzz/run.sh & c_targets=$$!; \
	  PYTHON=.venv/bin/python tests/fuzz/run.sh; found=$$?; \
	  wait $$c_targets && exit $$found

# Peer programs for tests/interop. Without them those tests skip, each with its reason.
test-tools:
	@.ci/packages tests/interop/packages.txt || \
	  echo 'make test: continuing; the interop tests of what is missing will be skipped.'

check: .venv/.installed-dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/python -m pytest tests/test_layering.py
	$(MAKE) --no-print-directory check-sanitized

# The kernels' own tests once more, on a copy of the tree built with the address and undefined
# behaviour sanitizers. The interpreter itself is not instrumented, so the address sanitizer's
# run time has to be loaded before it; PYTHONMALLOC=malloc lets it see past the interpreter's
# own arenas; leaks are not reported because CPython keeps its interned objects until exit.
# CI=true selects hypothesis' profile without deadlines, which instrumented code would miss.
.PHONY: check-sanitized
check-sanitized: .venv/.installed-dev
	rm -rf $(SANITIZED)
	mkdir -p $(SANITIZED)
	cp -r rapida_media csrc tests setup.py pyproject.toml README.md LICENSE $(SANITIZED)
	find $(SANITIZED)/rapida_media -name '*.so' -delete
	cd $(SANITIZED) && RAPIDA_SANITIZE=1 $(CURDIR)/.venv/bin/python setup.py -q build_ext --inplace
	cd $(SANITIZED) && \
	  LD_PRELOAD="$$($${CC:-cc} -print-file-name=libasan.so)" \
	  CI=true ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc \
	  $(CURDIR)/.venv/bin/python -m pytest -p no:cacheprovider -n $(TEST_WORKERS) tests/kernels

.venv/pyvenv.cfg:
	@.ci/packages --python "$(PYTHON)"
	$(PYTHON) -m venv .venv

# .venv/.installed* are stamps: newer than every file the compiled code is built from.
.venv/.installed: .venv/pyvenv.cfg $(BUILT_FROM)
	$(PIP) install --editable .
	@touch $@

.venv/.installed-demo: .venv/pyvenv.cfg $(BUILT_FROM)
	$(PIP) install --editable '.[demo]'
	@touch $@

.venv/.installed-dev: .venv/pyvenv.cfg $(BUILT_FROM)
	$(PIP) install --editable '.[dev]'
	@touch $@

.venv/.installed-bench: .venv/pyvenv.cfg $(BUILT_FROM)
	$(PIP) install --editable '.[bench]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info demo-out bench/results \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -prune -exec rm -rf {} +
	find rapida_media bench -name '*.so' -delete
