#!/usr/bin/env bash
# Makes a checkout ready to run: iverilog, yosys and Python's venv (through apt, with root or sudo), then .venv with the
# package and every version that constraints.txt pins. Where it cannot, it ends with one line that says what to do.
#
# With the argument `test` it also looks for a browser, which only the tests use.
# Reads PYTHON (the interpreter to use) and PIP_ARGS (more arguments for pip install). A second call compares a stamp.
# One environment serves the demo, the tests and training: leaving out what the demo does not need would save a quarter
# of the time and space (torch and transformers are most of both), and the first `make test` would then spend it.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "setup: $*" >&2
    exit 1
}

# The first Python of 3.11 or newer, or nothing.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

# The Debian packages that this machine lacks, one or more a line.
missing_packages() {
    local python
    command -v iverilog >/dev/null || echo iverilog
    command -v yosys >/dev/null || echo yosys
    python=$(find_python)
    if [ -z "$python" ]; then
        # An older python3 cannot be cured by apt; main says so.
        command -v "${PYTHON:-python3}" >/dev/null || echo python3 python3-venv
        return
    fi
    "$python" - <<'END'
import ctypes, importlib.util, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
on_debian = sys.platform == "linux" and sys.executable.startswith("/usr/bin/")
if importlib.util.find_spec("ensurepip") is None:  # Debian ships it apart from the interpreter
    print(f"python{version}-venv")
try:  # cocotb embeds Python in the simulator, and so needs it as a shared library
    ctypes.CDLL(sysconfig.get_config_var("INSTSONAME") or "")
except OSError:
    if on_debian:
        print(f"libpython{version}")
END
}

install_system_packages() {
    local packages=$1 as_root=
    if [ "$(uname -s)" = Darwin ]; then
        fail "missing: $packages. On macOS run: brew install icarus-verilog yosys python; then make again"
    fi
    command -v apt-get >/dev/null ||
        fail "missing: $packages. Install Icarus Verilog 11 or newer, Yosys and Python 3.11 or newer, then make again"
    if [ "$(id -u)" -ne 0 ]; then
        # With a terminal sudo may ask for the password; without one it must not hang.
        if ! command -v sudo >/dev/null || ! { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
            fail "missing: $packages, and neither root nor sudo here. Run as root: apt-get install $packages"
        fi
        as_root=sudo
    fi
    echo "setup: installing $packages with apt-get" >&2
    $as_root apt-get update -qq >&2 || echo "setup: apt-get update failed; trying with the lists that are there" >&2
    # shellcheck disable=SC2086 # $packages is a list of words, and $as_root may be nothing
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >&2 ||
        fail "apt-get could not install: $packages. Install them yourself, then make again"
}

# On Linux pip takes PyTorch's CUDA build from the default index: say so where nothing suggests that it is wanted.
warn_about_cuda() {
    [ "$(uname -s)" = Linux ] && [ -z "${PIP_ARGS:-}" ] && ! command -v nvidia-smi >/dev/null || return 0
    # Not through a pipe into `grep -q`, which would end pip early and so fail under pipefail.
    case "$(.venv/bin/python -m pip config list 2>/dev/null)" in *index-url* | *find-links*) return 0 ;; esac
    echo "setup: no NVIDIA GPU seen, but PyTorch from the default index brings CUDA along (several GB);" \
        "for the CPU build see 'A smaller PyTorch' in README.md" >&2
}

make_environment() {
    local python
    python=$(find_python)
    [ -n "$python" ] ||
        fail "Python 3.11 or newer is needed${PYTHON:+, and $PYTHON is not}. Install one, then: make PYTHON=/its/path"
    .venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
    warn_about_cuda
    echo "setup: installing the Python packages into .venv (minutes, the first time)" >&2
    # shellcheck disable=SC2086 # PIP_ARGS is a list of words
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        -c constraints.txt ${PIP_ARGS:-} -e '.[dev]' >&2 ||
        fail "pip could not install the packages (see above). Check the network or PIP_ARGS, then make again"
}

# Chromium, for the test that opens a report in a browser. It is skipped without one, so nothing here ends the set-up.
offer_browser() {
    local name
    for name in chromium chromium-browser google-chrome; do
        ! command -v "$name" >/dev/null || return 0
    done
    if command -v apt-get >/dev/null && (install_system_packages chromium); then return 0; fi
    echo "setup: no Chromium here, so the test of the report's page will be skipped" >&2
}

main() {
    local packages wanted stamp=.venv/.setup-stamp
    # Twice, because a Python that apt has just installed may lack its venv or its shared library.
    for _ in 1 2; do
        packages=$(missing_packages)
        [ -z "$packages" ] || install_system_packages "${packages//$'\n'/ }"
    done
    [ "${1:-}" != test ] || offer_browser
    # The folder is part of the stamp, because an editable install holds its path: a moved checkout is set up again.
    wanted="$(cat pyproject.toml constraints.txt | cksum) $PWD"
    if [ -x .venv/bin/python ] && [ -f $stamp ] && [ "$(cat $stamp)" = "$wanted" ]; then
        return
    fi
    make_environment
    echo "$wanted" >$stamp
}

main "$@"
