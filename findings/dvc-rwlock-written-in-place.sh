#!/usr/bin/env bash
# DVC 3.67.1 writes `.dvc/tmp/rwlock` in place. If it is killed, or interrupted with Ctrl-C, while the file is empty,
# every later `dvc repro` and `dvc status` fails with "JSON structure is corrupted", and does not say that the file may
# be removed. If it is killed at another time, the next run removes the dead process from the file and goes on, so
# nothing prepares the user for it. Two of the moments come with each stage that runs. One of 40 `dvc repro` that were
# interrupted at random moments met one of them.
#
# Seen on x86-64 Linux with Python 3.11. Exits with 0 while this holds, with 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=true
mkdir "$folder/project"
cd "$folder/project"
git init --quiet
dvc init --quiet
cat >dvc.yaml <<'YAML'
stages:
  make:
    cmd: sleep 0.5 && echo made >made.txt
    outs: [made.txt]
YAML
dvc repro --quiet

echo "DVC $(dvc --version)"
# Kills DVC as soon as a condition holds; prints whether it was met.
kill_when() {
    python3 - "$1" <<'PYTHON'
import os, subprocess, sys

rwlock = ".dvc/tmp/rwlock"
met = {
    "empty": lambda: os.path.exists(rwlock) and os.stat(rwlock).st_size == 0,
    "running": lambda: os.path.exists(rwlock) and b"dvc repro" in open(rwlock, "rb").read(),
}[sys.argv[1]]
for _ in range(50):
    if os.path.exists("made.txt"):
        os.remove("made.txt")
    if os.path.exists(rwlock):
        os.remove(rwlock)
    process = subprocess.Popen(["dvc", "repro", "--quiet", "--no-run-cache", "--force"])
    while process.poll() is None:
        if met():
            process.kill()
            process.wait()
            if met():
                print("killed")
                sys.exit()
print("never met")
PYTHON
}
next_run() {
    local status=0
    sleep 1 # the stage that DVC left behind ends
    dvc repro --no-run-cache --force >"$folder/printed" 2>&1 || status=$?
    echo "$status"
}

usual="$(kill_when running)"
after_usual="$(next_run)"
echo "while the stage runs: $usual; the next dvc repro exits with $after_usual"
empty="$(kill_when empty)"
after_empty="$(next_run)"
echo "while the file is empty: $empty; the next dvc repro exits with $after_empty:"
tail -n 1 "$folder/printed"
grep -q "JSON structure is corrupted" "$folder/printed"
rm .dvc/tmp/rwlock
echo "without the file: exits with $(next_run)"
[[ "$usual" == killed && "$after_usual" == 0 && "$empty" == killed && "$after_empty" != 0 && "$(next_run)" == 0 ]]
