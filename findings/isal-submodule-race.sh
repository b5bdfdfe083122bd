#!/usr/bin/env bash
# isal 1.9.1 on CPython 3.11: when several threads make the first `import isal.isal_zlib`, some of them can
# go on before the name `isal_zlib` is bound in the package, so that `isal.isal_zlib` raises an
# AttributeError right after a successful import. importlib.import_module("isal.isal_zlib"), which returns
# the module itself, does not have the problem.
#
# Seen on x86-64 Linux: "AttributeError: cannot access submodule 'isal_zlib' of module 'isal'" in one of the
# first fresh processes; no failure in 60 processes that use import_module.
# Exits with 0 while both hold, with 1 when either has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check isal==1.9.1
"$folder/venv/bin/python" - <<'PYTHON'
import platform
import subprocess
import sys
from importlib.metadata import version

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

def by_attribute(number):
    import isal.isal_zlib
    return isal.isal_zlib.crc32(b"x")

def by_module(number):
    return import_module("isal.isal_zlib").crc32(b"x")

sys.setswitchinterval(1e-6)  # threads take turns often
with ThreadPoolExecutor(8) as pool:
    list(pool.map({"attribute": by_attribute, "module": by_module}[sys.argv[1]], range(64)))
"""


def failure(way, processes):
    for _ in range(processes):
        done = subprocess.run([sys.executable, "-c", PROGRAM, way], capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip().splitlines()[-1]
    return None


print(f"isal {version('isal')}, Python {platform.python_version()}")
attribute, module = failure("attribute", 60), failure("module", 60)
print(f"isal.isal_zlib after its import: {attribute or 'no failure'}")
print(f"import_module: {module or 'no failure'}")
sys.exit(0 if attribute and "AttributeError" in attribute and module is None else 1)
PYTHON
