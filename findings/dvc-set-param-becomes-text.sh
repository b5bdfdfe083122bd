#!/usr/bin/env bash
# DVC 3.67.1 and PyYAML 6.0.3 read the same params.yaml differently. `dvc exp run -S rate=0.00005` writes `rate: 5e-05`.
# For DVC, which reads YAML 1.2, this is a number. PyYAML reads YAML 1.1, where a number needs a dot: a stage that calls
# yaml.safe_load gets the text '5e-05'. Likewise `seed: 010` is ten for DVC and eight for PyYAML. DVC's tables show
# the number, so that the recorded parameter is not the one that the stage has used.
#
# Seen on x86-64 Linux with Python 3.11. Exits with 0 while this holds, with 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1 pyyaml==6.0.3
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=true
mkdir "$folder/project"
cd "$folder/project"
git init --quiet
git config user.name Test
git config user.email test@example.org
dvc init --quiet
printf 'rate: 0.1\nseed: 010\n' >params.yaml
cat >read.py <<'PYTHON'
import json

import yaml

with open("params.yaml") as file:
    print(json.dumps(yaml.safe_load(file)), file=open("read.json", "w"))
PYTHON
cat >dvc.yaml <<'YAML'
stages:
  read:
    cmd: python read.py
    deps: [read.py]
    params: [rate, seed]
    outs: [read.json]
YAML
git add --all
git commit --quiet --message state
dvc exp run --quiet -S rate=0.00005
echo "DVC $(dvc --version), PyYAML $(python -c 'import yaml; print(yaml.__version__)')"
echo "params.yaml: $(grep rate params.yaml), $(grep seed params.yaml)"
echo "the stage has read: $(cat read.json)"
dvc params diff --all --json HEAD | tee shown.json
echo
python - <<'PYTHON'
import json
import sys

read = json.load(open("read.json"))
shown = json.load(open("shown.json"))["params.yaml"]
holds = read == {"rate": "5e-05", "seed": 8} and shown["rate"]["new"] == 5e-05 and shown["seed"]["new"] == 10
sys.exit(0 if holds else 1)
PYTHON
