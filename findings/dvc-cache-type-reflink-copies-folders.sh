#!/usr/bin/env bash
# DVC 3.67.1: with `cache.type = reflink,hardlink` on a file system without reflinks, a file that is added becomes a hard
# link to the cache, as the list says, but the files of an added folder, and of a folder that a stage writes, stay copies
# that are not linked to the cache, without a word: the data take their space twice. After `dvc checkout` they are hard
# links. With `cache.type = hardlink` they are hard links from the beginning. DVC decides whether a file is linked already
# by what distinguishes links, and a copy of its own looks like a reflink. It meets whoever puts the type first that is
# safest and best on Btrfs and XFS, and shares the configuration with machines that have ext4.
#
# Seen on x86-64 Linux with Python 3.11 and ext4. Exits with 0 while this holds, with 1 when it has changed, and with 2
# where the temporary folder can make reflinks.
set -euo pipefail
folder="$(mktemp -d)"
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
echo data >"$folder/source"
if cp --reflink=always "$folder/source" "$folder/copy" 2>/dev/null; then
    echo 'this file system has reflinks: choose another one with TMPDIR'
    exit 2
fi
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=true

# Links of the file in an added folder, in a stage's folder, the same after a checkout, and of an added file.
links() {
    mkdir "$folder/$1"
    cd "$folder/$1"
    git init --quiet
    dvc init --quiet
    dvc config cache.type "$1"
    mkdir images
    seq 10000 >images/1
    dvc add --quiet images
    cat >dvc.yaml <<'YAML'
stages:
  crop:
    cmd: mkdir -p crops && seq 20000 >crops/1
    outs: [crops]
YAML
    dvc repro --quiet
    seq 30000 >single
    dvc add --quiet single
    local before
    before="$(stat --format %h images/1 crops/1)"
    rm -r images crops
    dvc checkout --quiet
    echo $before "$(stat --format %h images/1 crops/1 single)"
}

echo "DVC $(dvc --version); links of a file in an added folder, in a stage's folder, both after a checkout, and of an added file"
wanted="$(links hardlink)"
seen="$(links reflink,hardlink)"
echo "cache.type hardlink:          " $wanted
echo "cache.type reflink,hardlink:  " $seen
[[ "$(echo $wanted)" == "2 2 2 2 2" && "$(echo $seen)" == "1 1 2 2 2" ]]
