#!/usr/bin/env bash
# DVC 3.67.1: a dvc.yaml that is a symbolic link to another file works in the workspace (`dvc repro`, `dvc metrics show`).
# Once it is committed, DVC reads the link's target as the file's text, and `dvc metrics diff` and `dvc exp show` have no
# metrics of that commit at all: also those of every other pipeline are missing. Both commands print a warning and exit
# with 0. With a copy in place of the link all metrics are there. It meets whoever shares one pipeline definition between
# folders by links.
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
git config user.name Test
git config user.email test@example.org
dvc init --quiet
cat >template.yaml <<'YAML'
stages:
  measure:
    cmd: cp ../value.json metrics.json
    deps: [../value.json]
    metrics: [{metrics.json: {cache: false}}]
YAML
mkdir one two
cp template.yaml one/dvc.yaml

record() {
    echo "{\"ap\": $1}" >value.json
    dvc repro --quiet one/dvc.yaml two/dvc.yaml
    git add --all
    git commit --quiet --message "$1"
}
# The metric of the last two commits, of each pipeline.
difference() {
    dvc metrics diff HEAD~1 HEAD --json 2>warnings.txt | python3 -c '
import json, sys
for name, metric in sorted(json.load(sys.stdin).items()):
    print(name, metric["ap"].get("old"), metric["ap"].get("new"), end="; ")'
}

cp template.yaml two/dvc.yaml
record 0.25
record 0.5
copied="$(difference)"
ln -sf ../template.yaml two/dvc.yaml
record 0.75
linked="$(difference)"
echo "DVC $(dvc --version); metrics of two commits"
echo "two/dvc.yaml is a copy in both:    $copied"
echo "it is a link in the second commit: $linked"
cat warnings.txt
[[ "$copied" == "one/metrics.json 0.25 0.5; two/metrics.json 0.25 0.5; " ]]
[[ "$linked" == "one/metrics.json 0.5 None; two/metrics.json 0.5 None; " ]]
