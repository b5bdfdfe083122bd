#!/usr/bin/env bash
# DVC 3.67.1: when a stage depends on a folder whose name is also a parameter's, `dvc exp show` prints two
# columns of that name, both of which hold the folder's hash in the workspace and nothing for the commit: the
# parameter's value is shown nowhere. With --drop '.*' --keep 'Experiment|n' it ends with
# "unexpected error - 'inputs'" (status 255). Under another name for the folder, both commands work.
#
# Seen on x86-64 Linux with Python 3.11. Exits with 0 while this holds, with 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=true
dvc --version

make_project() { # $1: the name of the folder that the stage depends on; the parameter is `inputs` in both
    mkdir -p "$folder/$1.project/$1"
    cd "$folder/$1.project"
    git init --quiet
    git config user.name Test
    git config user.email test@example.org
    dvc init --quiet
    echo 1 >"$1/a"
    echo 'inputs: 37' >params.yaml
    cat >dvc.yaml <<YAML
stages:
  count:
    cmd: echo '{"n":1}' > m.json
    deps: [$1]
    params: [inputs]
    metrics: [{m.json: {cache: false}}]
YAML
    dvc repro --quiet
    git add --all
    git commit --quiet --message state
}

changed=0
make_project data
dvc exp show --no-pager --md | tee plain.md
grep -q '| 37 ' plain.md || { echo 'changed: other names no longer show the value'; changed=1; }
dvc exp show --no-pager --md --drop '.*' --keep 'Experiment|n' >/dev/null || changed=1

make_project inputs
dvc exp show --no-pager --md | tee same.md
if grep -q '| 37 ' same.md; then echo "changed: the parameter's value is shown"; changed=1; fi
if dvc exp show --no-pager --md --drop '.*' --keep 'Experiment|n' 2>error.txt; then
    echo 'changed: --drop succeeds'; changed=1
else
    grep -F "unexpected error - 'inputs'" error.txt || { cat error.txt; changed=1; }
fi
exit "$changed"
