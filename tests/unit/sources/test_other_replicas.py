"""Replicas of data sets beside the thesis's, from their files to leak-free splits."""

from pathlib import Path

import pandas as pd
import pytest

from fakeforensics.params import SourceParams
from fakeforensics.sources.base import FAKES_ONLY, read_records
from fakeforensics.sources.check import check_sources
from fakeforensics.sources.registry import open_source
from fakeforensics.splits.assign import assign_source
from fakeforensics.splits.protocol import Holdout
from fakeforensics.splits.select import check_leaks
from tests.replicas import OTHER_TREES, write_replica

LAYOUTS = {name: name for name in OTHER_TREES} | {"aigibench": "genimage"}


@pytest.mark.parametrize("source", OTHER_TREES)
def test_a_replica_is_checked_and_split_without_leaks(source: str, tmp_path: Path) -> None:
    write_replica(tmp_path, source)
    params = SourceParams(layout=LAYOUTS[source], root=str(tmp_path), options={"subset": True})
    (report,) = check_sources({source: params}, workers=1)
    assert report.errors == []
    # Every fake's original is there, or it has none.
    assert not any(FAKES_ONLY in doubt for doubt in report.doubts)
    records = read_records(open_source(source, params))
    assert {record.path: record.label for record in records} == dict(OTHER_TREES[source]())
    rows = pd.DataFrame(
        {
            "key": record.path,
            "raw_path": record.path,
            "source": source,
            "group": record.group,
            "own_split": record.own_split,
            "identities": ";".join(record.identities),
            "method": record.method,
            "domain": record.domain,
            "instance": record.instance,
            "label": record.label,
            "sha256": record.path,
            "raw_sha256": record.path,
        }
        for record in records
    )
    kept = rows.join(assign_source(rows, Holdout(), seed=1)).query("split != ''")
    for split in ("train", "val", "test"):
        assert set(kept.loc[kept["split"] == split, "label"]) == {0, 1}, split
    check_leaks("p", kept)
