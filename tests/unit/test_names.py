"""Names from outside never are paths: whatever they are, what is written lies where it belongs."""

from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.files import write_text
from fakeforensics.images.index import INDEX_SCHEMA, image_keys, read_index
from fakeforensics.inference.pictures import picture_names
from fakeforensics.metrics.spec import EXTERNAL
from fakeforensics.metrics.summary import write_curves
from fakeforensics.names import check_name
from fakeforensics.params import Params
from fakeforensics.parsing import parse
from tests.unit.splits.conftest import row

HOSTILE = [
    *("..", ".", "", "../up", "/tmp/up", "a/../../up", "a/b", "-rf", "~", "a\n", "\0"),
    *("a" * 300, "é" * 120),
]
names = st.text(max_size=300) | st.sampled_from(HOSTILE) | st.from_regex(r"(\.\./)+[a-z]+", fullmatch=True)


def written(folder: Path) -> set[str]:
    """Everything around a folder `inner`, which alone may be written to."""
    return {path.relative_to(folder).parts[0] for path in folder.rglob("*")}


@given(names)
def test_a_name_that_is_accepted_lies_in_its_folder(name):
    try:
        check_name(name)
    except UserError:
        accepted = False
    else:
        accepted = True
        assert Path("inner", f"{name}.json").parts == ("inner", f"{name}.json")
        assert len(name.encode()) <= 100
    for key in ("protocols", "detectors", "sources"):
        value = {name: {"layout": "folder", "root": "r"}} if key == "sources" else [name]
        everything = {"protocols": ["p"], "detectors": ["d"], "sources": {}, "compare": {"baseline": "d"}}
        if not accepted:
            with pytest.raises(UserError, match="params"):
                parse(Params, everything | {key: value}, "params.yaml")
        else:
            parse(Params, everything | {key: value}, "params.yaml")


@given(st.lists(names.filter(bool), min_size=1, max_size=3, unique=True))
def test_curves_are_written_into_their_folder(test_sets):
    rows = [
        {"test_set": name, "key": f"{name}{label}", "label": label, "score": float(label)}
        for name in test_sets
        for label in (0, 1)
    ]
    with TemporaryDirectory() as folder:
        write_curves(pd.DataFrame(rows), (EXTERNAL,), Path(folder, "inner"))
        assert written(Path(folder)) == {"inner"}
        assert len(list(Path(folder, "inner/pr").iterdir())) == len(test_sets)


@given(st.lists(names.filter(lambda name: "\0" not in name), min_size=1, max_size=3, unique=True))
def test_pictures_are_written_into_their_folder(paths):
    found = picture_names([Path("in", path) for path in paths])
    with TemporaryDirectory() as folder:
        for name in found.values():
            write_text(Path(folder, "inner", f"{name}.png"), "")
        assert written(Path(folder)) == {"inner"}
        assert len(list(Path(folder, "inner").iterdir())) == len({*found.values()})


@given(st.lists(st.sampled_from(["..", ".", "a", "b.png", "...", "~"]), min_size=1, max_size=5))
@example(["..", "..", "up.png"])
def test_a_key_never_leads_out_of_the_tar(parts):
    (key,) = image_keys("src", ["/".join(parts)])
    found = PurePosixPath(key)
    assert found.parts[0] == "src"
    assert not {"..", "/"} & {*found.parts}


def test_a_shards_name_in_an_index_is_no_path(tmp_path):
    (tmp_path / "s").mkdir()
    for name in ("../up.tar", "/etc/hostname", "shard-0.tar/../../up"):
        table = pa.Table.from_pylist([row("s", "a", shard=name)], INDEX_SCHEMA)
        pq.write_table(table, tmp_path / "s/index.parquet")
        with pytest.raises(UserError, match=r"index\.parquet(.|\n)*shard: "):
            read_index(tmp_path, "s")
