#!/usr/bin/env bash
# DVC 3.67.1: a stage whose dependencies are those in dvc.lock, but whose recorded outputs are not in the cache, is run
# again although the run cache has its outputs for the same command and dependencies. Restoring looks at the outputs
# that dvc.lock names and, when these are missing, not at the run cache. Without the entry in dvc.lock the run cache is
# used. It meets whoever clones a project whose outputs differ between machines (a trained model) and has no access to
# its remote: with the committed dvc.lock, as `dvc exp run --temp` takes it, each experiment trains again.
#
# Seen on x86-64 Linux with Python 3.11. Exits with 0 while this holds, with 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=true
mkdir "$folder/first"
cd "$folder/first"
git init --quiet
git config user.name Test
git config user.email test@example.org
dvc init --quiet
echo data >input.txt
# An output that differs from machine to machine: $MACHINE is in no dependency.
cat >dvc.yaml <<'YAML'
stages:
  train:
    cmd: echo run >>../runs.txt && echo "model of $MACHINE" >model.txt
    deps: [input.txt]
    outs: [model.txt]
YAML
MACHINE=first dvc repro --quiet
git add --all
git commit --quiet --message recorded

git clone --quiet "$folder/first" "$folder/second"
cd "$folder/second"
runs() { wc -l <"$folder/runs.txt"; }
repeat() {
    local before
    before="$(runs)"
    rm -f model.txt
    MACHINE=second dvc repro --quiet
    echo $(($(runs) - before))
}

echo "DVC $(dvc --version)"
: >"$folder/runs.txt"
echo "in the clone, nothing in the cache: run $(repeat) time"
git checkout --quiet dvc.lock
recorded="$(repeat)"
echo "again with the recorded dvc.lock, outputs in the run cache: run $recorded time"
rm dvc.lock
absent="$(repeat)"
echo "again without dvc.lock: run $absent times"
[[ "$recorded" == 1 && "$absent" == 0 && "$(cat model.txt)" == "model of second" ]]
