import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.images.index import (
    INDEX_COLUMNS,
    INDEX_SCHEMA,
    MISSING_FILE,
    check_present,
    frame_key,
    image_keys,
    read_index,
    write_missing,
)
from tests.unit.splits.conftest import row

# What a Linux file name may hold: any byte but "/" and NUL, undecodable ones as surrogates.
names = st.binary(min_size=1, max_size=255).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_"))
paths = st.lists(names, min_size=1, max_size=4).map(
    lambda parts: b"/".join(parts).decode("utf-8", "surrogateescape")
)


@given(st.lists(paths, unique=True, max_size=8))
def test_any_names_get_unique_keys_that_a_tar_header_holds(raw):
    keys = image_keys("src", raw)
    assert len(set(keys)) == len(raw)
    for key in keys:
        longest = frame_key(key, 9_999_999, 99) + ".png"
        tarfile.TarInfo(longest).tobuf(tarfile.USTAR_FORMAT, "ascii")


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("a/b.jpg", "src/a/b"),  # the suffix goes: readable
        ("a b.jpg", "src/a%20b"),
        ("line\nbreak.mp4", "src/line%0Abreak"),
        ("caf\udce9.jpg", "src/caf%E9"),  # a Latin-1 byte
        ("v1.2/x.png", "src/v1.2/x"),  # a dot in a folder is no suffix
        (".hidden", "src/.hidden"),
    ],
)
def test_readable_keys(raw, key):
    assert image_keys("src", [raw]) == [key]


def test_files_that_differ_in_their_suffix_keep_it():
    assert image_keys("s", ["a.jpg", "a.png", "b.png"]) == ["s/a.jpg", "s/a.png", "s/b"]


def test_a_key_does_not_change_when_other_files_join():
    assert image_keys("s", ["x/a.jpg"])[0] in image_keys("s", ["w/z.jpg", "x/a.jpg", "x/b.jpg"])


def test_frames_and_tracks_are_part_of_the_key():
    assert frame_key("s/v", 12, 0) == "s/v#f000012"
    assert frame_key("s/v", 12, 3) == "s/v#f000012#t3"
    assert frame_key("s/v", -1, 0) == "s/v"


def test_an_index_comes_back_with_its_columns(tmp_path):
    (tmp_path / "s").mkdir()
    pq.write_table(
        pa.Table.from_pylist([row("s", "a", method="stylegan")], INDEX_SCHEMA), tmp_path / "s/index.parquet"
    )
    frame = read_index(tmp_path, "s")
    assert tuple(frame.columns) == INDEX_COLUMNS
    assert frame.label.tolist() == [1]


def test_a_source_without_images_names_the_stage_that_makes_them(tmp_path):
    with pytest.raises(UserError, match="dvc repro faces@celeb"):
        read_index(tmp_path, "celeb")


def test_a_foreign_table_is_refused(tmp_path):
    (tmp_path / "s").mkdir()
    pq.write_table(pa.table({"key": ["a"]}), tmp_path / "s/index.parquet")
    with pytest.raises(UserError, match="no column shard, offset"):
        read_index(tmp_path, "s")


def test_all_missing_sources_are_reported_at_once_with_what_to_do(tmp_path):
    write_missing(tmp_path / "dffd", "source 'dffd': the folder /a does not exist")
    write_missing(tmp_path / "celeb_df", "source 'celeb_df': the folder /b does not exist")
    (tmp_path / "here").mkdir()
    with pytest.raises(UserError, match="raw data is missing: celeb_df, dffd") as caught:
        check_present(tmp_path, ["celeb_df", "dffd", "here"])
    for part in ("/a does not", "/b does not", "fakeforensics data check celeb_df dffd --update"):
        assert part in str(caught.value)
    check_present(tmp_path, ["here", "never made"])


def test_the_placeholder_replaces_older_images(tmp_path):
    (tmp_path / "dffd").mkdir()
    (tmp_path / "dffd/index.parquet").touch()
    write_missing(tmp_path / "dffd", "gone")
    assert [path.name for path in (tmp_path / "dffd").iterdir()] == [MISSING_FILE]


def test_a_raw_path_that_leads_out_of_the_root_is_refused_in_place(tmp_path):
    def read(path, shard):
        rows = [row("s", "0"), row("s", "1", shard=shard, offset=0, raw_path=path)]
        (tmp_path / "s").mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, INDEX_SCHEMA), tmp_path / "s/index.parquet")
        return read_index(tmp_path, "s")

    for path in ("a/b.png", "a..b/c..png"):
        assert read(path, "")["raw_path"].tolist() == ["0", path]
    for path in ("/etc/passwd", "../a.png", "a/../../b.png", "..", ""):
        with pytest.raises(UserError, match="1 rows read in place: not below the source's root"):
            read(path, "")
        assert len(read(path, "shard-00000.tar")) == 2
