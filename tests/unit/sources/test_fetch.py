import io
import json
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources import fetch, known_counts
from fakeforensics.sources.download import Patience
from fakeforensics.sources.fetch import Fetcher, steps


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server of a data set with two real and one fake image of one set, and one category for validation."""
    monkeypatch.setattr(known_counts, "CNN_SYNTH_TEST", {"san": (2, 1)})
    monkeypatch.setattr(known_counts, "LSUN_CATEGORIES", ("cat",))
    monkeypatch.setattr(known_counts, "PROGAN_VAL_PER_CATEGORY", 2)
    monkeypatch.setattr(known_counts, "PROGAN_TRAIN_PER_CATEGORY", 2)
    served = tmp_path / "server"
    served.mkdir()
    pack(served / "CNN_synth_testset.zip", "san/0_real/1.png", "san/0_real/2.png", "san/1_fake/1.png")
    pack(served / "progan_val.zip", "cat/0_real/1.png", "cat/1_fake/1.png")
    pack(served / "progan_train.zip", "cat/0_real/1.png", "cat/1_fake/1.png")
    whole = (served / "progan_train.zip").read_bytes()
    for volume in range(7):  # volumes are stretches of one file
        (served / f"progan_train.7z.{volume + 1:03d}").write_bytes(whole[volume * 100 : (volume + 1) * 100])
    assert len(whole) <= 700
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def pack(path: Path, *names: str) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), f"picture {name}")
    path.write_bytes(data.getvalue())


def fetcher(tmp_path: Path, address: str, told: list[str]) -> Fetcher:
    return Fetcher(
        root=tmp_path / "cnn_synth",
        checksums=tmp_path / "checksums.json",
        report=told.append,
        address=address,
        patience=Patience(attempts=2, pause=0.0),
    )


def test_a_part_is_downloaded_verified_unpacked_and_recorded(tmp_path: Path, address: str) -> None:
    told: list[str] = []
    one = fetcher(tmp_path, address, told)
    one.fetch(["test", "val"])
    assert (one.root / "san/0_real/2.png").read_text() == "picture san/0_real/2.png"
    assert (one.root / "progan_val/cat/1_fake/1.png").exists()
    assert set(json.loads(one.checksums.read_text())) == {"CNN_synth_testset.zip", "progan_val.zip"}
    assert list((one.root / ".downloads").iterdir()) == []
    assert told[-2:] == ["val: unpacking", "val: complete"]


def test_a_complete_part_is_not_downloaded_again(tmp_path: Path, address: str) -> None:
    one = fetcher(tmp_path, address, [])
    one.fetch(["test"])
    told: list[str] = []
    fetcher(tmp_path, "http://127.0.0.1:9", told).fetch(["test"])
    assert told == ["test: complete"]


def test_altered_bytes_are_noticed_by_the_archives_own_checksums(tmp_path: Path, address: str) -> None:
    archive = tmp_path / "server/CNN_synth_testset.zip"
    archive.write_bytes(archive.read_bytes().replace(b"picture san/0_real/2", b"picture san/0_real/X"))
    one = fetcher(tmp_path, address, [])
    with pytest.raises(UserError, match="damaged"):
        one.fetch(["test"])
    assert not one.checksums.exists()
    assert list((one.root / ".downloads").iterdir()) == []


def test_a_download_that_differs_from_the_first_good_one_is_refused(tmp_path: Path, address: str) -> None:
    one = fetcher(tmp_path, address, [])
    one.fetch(["test"])
    (one.root / "san/0_real/2.png").unlink()
    pack(
        tmp_path / "server/CNN_synth_testset.zip",
        *("san/0_real/1.png", "san/0_real/2.png", "san/1_fake/9.png"),
    )
    with pytest.raises(UserError, match="not the file that was downloaded before"):
        one.fetch(["test"])
    assert not (one.root / "san/1_fake/9.png").exists()


def test_an_archive_without_all_its_images_is_not_recorded_as_good(tmp_path: Path, address: str) -> None:
    pack(tmp_path / "server/CNN_synth_testset.zip", "san/0_real/1.png", "san/1_fake/1.png")
    one = fetcher(tmp_path, address, [])
    with pytest.raises(UserError, match="does not hold the images") as caught:
        one.fetch(["test"])
    assert "san, real: 1 of 2" in str(caught.value)
    assert not one.checksums.exists()


def test_the_training_archive_comes_in_volumes(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def join(first: Path, out: Path) -> None:
        volumes = sorted(first.parent.glob("progan_train.7z.*"))
        (out / "progan_train.zip").write_bytes(b"".join(path.read_bytes() for path in volumes))

    monkeypatch.setattr(fetch, "find_7zip", lambda: "7z")
    monkeypatch.setattr(fetch, "unpack_7z", join)
    one = fetcher(tmp_path, address, [])
    one.fetch(["train"])
    assert (one.root / "progan_train/cat/0_real/1.png").exists()
    assert len(json.loads(one.checksums.read_text())) == 7


def test_gated_sets_print_their_steps() -> None:
    text = steps("celeb_df")
    for part in (
        "https://github.com/yuezunli",
        "Celeb-real/id0_0000.mp4",
        "params.yaml",
        "data check celeb_df",
    ):
        assert part in text
    with pytest.raises(UserError, match="unknown data set"):
        steps("celebdf")
