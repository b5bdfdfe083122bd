import pytest

from fakeforensics.sources.split_folders import split_of


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        *(("train", "train"), ("Training", "train"), ("train_set", "train"), ("trainset", "train")),
        *(
            ("train2017", "train"),
            ("train-images", "train"),
            ("val", "val"),
            ("VALID", "val"),
            ("dev", "val"),
        ),
        *(
            ("eval", "val"),
            ("validation", "val"),
            ("test", "test"),
            ("tests", "test"),
            ("Test_Videos", "test"),
        ),
        *(("testdata", "test"), ("test_2", "test")),
        # Objects, methods and archives; that they mention a split is a doubt, no split.
        *(("trains", ""), ("contest", ""), ("testimony", ""), ("celeb_test", ""), ("dfdc_train_part_0", "")),
        *(("evaluation_gan", ""), ("latest", ""), ("car", ""), ("", "")),
    ],
)
def test_the_spellings_of_splits(folder: str, split: str) -> None:
    assert split_of(folder) == split
