import pytest

from fakeforensics.errors import UserError
from fakeforensics.images.missing import MISSING_FILE, check_present, write_missing


def test_all_that_is_missing_is_told_at_once_with_what_to_do(tmp_path):
    write_missing(tmp_path / "dffd", "source 'dffd': the folder /a does not exist")
    write_missing(tmp_path / "celeb_df", "source 'celeb_df': the folder /b does not exist")
    (tmp_path / "here").mkdir()
    with pytest.raises(UserError, match="raw data is missing: celeb_df, dffd") as caught:
        check_present(tmp_path, ["celeb_df", "dffd", "here"])
    for part in ("/a does not", "/b does not", "fakeforensics data check celeb_df dffd --update"):
        assert part in str(caught.value)
    check_present(tmp_path, ["here", "never made"])


def test_it_takes_the_place_of_older_images(tmp_path):
    (tmp_path / "dffd").mkdir()
    (tmp_path / "dffd/index.parquet").touch()
    write_missing(tmp_path / "dffd", "gone")
    assert [path.name for path in (tmp_path / "dffd").iterdir()] == [MISSING_FILE]
