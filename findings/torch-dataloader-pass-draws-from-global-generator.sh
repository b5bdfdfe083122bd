#!/usr/bin/env bash
# torch 2.14.1: each pass over a DataLoader draws a number from the global generator, also with `num_workers=0` and
# `shuffle=False`, where nothing is random. With a `generator` of its own it draws from that one instead. So one more or
# one less pass over the validation images (a resumed run that validates first, a check before training) changes every
# random number that training draws afterwards: augmentations, dropout, the order of the training images.
#
# Seen on x86-64 Linux with Python 3.11. Exits with 0 while this holds, with 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
from torch.utils.data import DataLoader, TensorDataset

images = TensorDataset(torch.zeros(4, 1))


def next_number(passes: int, generator: torch.Generator | None = None) -> float:
    torch.manual_seed(0)
    for _ in range(passes):
        list(DataLoader(images, batch_size=2, shuffle=False, num_workers=0, generator=generator))
    return torch.rand(()).item()


none, one, two = (next_number(passes) for passes in range(3))
apart = next_number(2, torch.Generator())
print("torch", torch.__version__)
print(f"torch.rand() after torch.manual_seed(0) and 0, 1, 2 passes: {none:.4f} {one:.4f} {two:.4f}")
print(f"after 2 passes with a generator of their own: {apart:.4f}")
sys.exit(not (len({none, one, two}) == 3 and apart == none))
PYTHON
