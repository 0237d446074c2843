#!/bin/sh
# Makes .venv and installs a lock into it: venv.sh PYTHON LOCKFILE
# Needs Python 3.11 or newer and nothing else; each failure is one line with its mend.
set -eu

fail() {
    echo "$1" >&2
    exit 1
}

python=$1
command -v "$python" >/dev/null 2>&1 || python=python3
command -v "$python" >/dev/null 2>&1 ||
    fail "Python is missing. Install Python 3.11 or newer (Debian: apt install python3 python3-venv)."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" -V) is too old. Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3.11 ..."
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "Python lacks its venv module. Install it: apt install python3-venv"
[ -w . ] || fail "$(pwd) is not writable. Give this user write permission, or work in a copy."

[ -x .venv/bin/python ] || "$python" -m venv .venv ||
    fail "Could not make .venv. Remove it (rm -r .venv) and try again."

digest=$(.venv/bin/python -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$2")
stamp=.venv/$(basename "$2").sha256
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$digest" ] && exit 0

echo "Installing $2 ..."
.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r "$2" ||
    fail "Could not install $2. Check the network (a proxy: set HTTPS_PROXY) and try again."
echo "$digest" >"$stamp"
