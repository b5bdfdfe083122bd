#!/usr/bin/env bash
# DVC 3.67.1 with gto: `dvc artifacts get REPOSITORY NAME` finds a version that an annotated Git tag registers. With a
# lightweight tag of the same name it ends in "Unable to find artifact", although the tag names the same commit and
# `dvc get --rev TAG` of the same file works.
#
# Seen on x86-64 Linux with Python 3.11. Exits with 0 while this holds, with 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=true
mkdir "$folder/remote" "$folder/project"
cd "$folder/project"
git init --quiet
git config user.name Test
git config user.email test@example.org
dvc init --quiet
dvc remote add --quiet --default store "$folder/remote"
echo weights >model.bin
dvc add --quiet model.bin
cat >dvc.yaml <<'YAML'
artifacts:
  detector: {path: model.bin, type: model}
YAML
git add --all
git commit --quiet --message state
dvc push --quiet

get() {
    dvc artifacts get . detector --out "$folder/$1" >"$folder/$1.log" 2>&1 && echo found || tail -n 1 "$folder/$1.log"
}

echo "DVC $(dvc --version), gto $(python -c 'from importlib.metadata import version; print(version("gto"))')"
git tag detector@v1.0.0
lightweight="$(get lightweight)"
echo "lightweight tag: $lightweight"
by_revision="$(dvc get --quiet . model.bin --rev detector@v1.0.0 --out "$folder/by_revision" && echo found)"
echo "dvc get at that tag: $by_revision"
git tag --delete detector@v1.0.0 >/dev/null
git tag --annotate --message 1.0.0 detector@v1.0.0
annotated="$(get annotated)"
echo "annotated tag: $annotated"
[[ "$lightweight" == *"Unable to find artifact"* && "$by_revision" == found && "$annotated" == found ]]
