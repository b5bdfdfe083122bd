"""The results stage: the hashes of what the report reads."""

import hashlib
import json
from pathlib import Path

import pytest

from stages.results import main


def test_it_holds_the_files_of_its_own_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("metrics/p/bce.json", "plots/p/bce/roc/a.csv", "metrics/q/bce.json", "packages/p/bce/x"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    main("p")
    names = ("metrics/p/bce.json", "plots/p/bce/roc/a.csv")  # the report reads no package
    assert json.loads(Path("data/results/p.json").read_text()) == {
        name: hashlib.sha256(name.encode()).hexdigest() for name in names
    }
