"""Downloads from a local server that answers as huggingface.co does."""

import hashlib
import io
import json
import logging
import sys
import threading
import urllib.parse
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import file_download

from fakeforensics.errors import UserError
from fakeforensics.sources import cnn_synth, download
from fakeforensics.sources.cnn_synth import CNNSynth
from fakeforensics.sources.download import fetch, find_7zip, instructions, unpack_7z, unpack_zip

REPOSITORY = "sywang/CNNDetection"


class Hub(ThreadingHTTPServer):
    """Serves files by name, their hashes, and ranges of them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.altered: dict[str, bytes] = {}  # what arrives instead of a file
        self.cut_after: int | None = None  # bytes of each answer
        self.status = 200
        self.asked: list[tuple[str, str]] = []  # files and ranges

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        assert self.path == f"/api/datasets/{REPOSITORY}/paths-info/main"
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        infos = [self.info(name) for name in form["paths"] if name in self.server.files]
        body = json.dumps(infos if self.server.status == 200 else {"error": "no"}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def info(self, name: str) -> dict[str, object]:
        content = self.server.files[name]
        digest = hashlib.sha256(content).hexdigest()
        lfs = {"oid": digest, "size": len(content), "pointerSize": 134}
        return {"type": "file", "path": name, "size": len(content), "oid": "0" * 40, "lfs": lfs}

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        assert self.path == f"/datasets/{REPOSITORY}/resolve/main/{name}"
        wanted = self.headers.get("Range", "")
        self.server.asked.append((name, wanted))
        content = self.server.altered.get(name, self.server.files[name])
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start:][: self.server.cut_after])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub of a data set with two real and one fake image of one set, and one category for training."""
    monkeypatch.setattr(cnn_synth, "TEST_COUNTS", {"san": (2, 1)})
    monkeypatch.setattr(cnn_synth, "LSUN_CATEGORIES", ("cat",))
    monkeypatch.setattr(cnn_synth, "PER_CATEGORY", {"train": 2, "val": 2})
    monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)  # between attempts
    monkeypatch.setattr(file_download.constants, "DOWNLOAD_CHUNK_SIZE", 50)  # what is written at once
    monkeypatch.setattr(logging.getLogger("huggingface_hub"), "disabled", True)
    served = Hub()
    served.files = {
        "CNN_synth_testset.zip": pack("san/0_real/1.png", "san/0_real/2.png", "san/1_fake/1.png"),
        "progan_val.zip": pack("cat/0_real/1.png", "cat/1_fake/1.png"),
    }
    train = pack("cat/0_real/1.png", "cat/1_fake/1.png")
    step = len(train) // 7 + 1
    for volume in range(7):  # volumes are stretches of one file
        served.files[f"progan_train.7z.{volume + 1:03d}"] = train[volume * step : (volume + 1) * step]
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def pack(*names: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), f"picture {name}")
    return data.getvalue()


def get(hub: Hub, root: Path, *parts: str, keep: bool = False) -> list[str]:
    """Fetch parts; the messages."""
    told: list[str] = []
    fetch(CNNSynth("cnn_synth", root), parts, told.append, keep=keep, endpoint=hub.url)
    return told


def downloads(root: Path) -> list[str]:
    return sorted(path.name for path in (root / ".downloads").iterdir())


def test_parts_are_downloaded_verified_and_unpacked(tmp_path: Path, hub: Hub) -> None:
    told = get(hub, tmp_path, "test", "val")
    assert (tmp_path / "san/0_real/2.png").read_text() == "picture san/0_real/2.png"
    assert (tmp_path / "progan_val/cat/1_fake/1.png").exists()
    assert downloads(tmp_path) == []
    assert told[-2:] == ["val: unpacking", "val: complete"]


def test_a_complete_part_is_not_downloaded_again(tmp_path: Path, hub: Hub) -> None:
    get(hub, tmp_path, "test", keep=True)
    assert downloads(tmp_path) == ["CNN_synth_testset.zip"]
    hub.status = 500
    assert get(hub, tmp_path, "test") == ["test: complete"]


def test_a_kept_archive_is_unpacked_again_without_a_download(tmp_path: Path, hub: Hub) -> None:
    get(hub, tmp_path, "test", keep=True)
    (tmp_path / "san/0_real/2.png").unlink()
    get(hub, tmp_path, "test")
    assert (tmp_path / "san/0_real/2.png").exists()
    assert len(hub.asked) == 1


def test_another_sha_256_is_refused_and_nothing_of_it_stays(tmp_path: Path, hub: Hub) -> None:
    name = "CNN_synth_testset.zip"
    hub.altered[name] = hub.files[name].replace(b"picture san/0_real/2", b"picture san/0_real/X")
    with pytest.raises(UserError, match=f"{name}: the download is damaged") as caught:
        get(hub, tmp_path, "test")
    expected, found = (hashlib.sha256(data).hexdigest() for data in (hub.files[name], hub.altered[name]))
    assert expected in (caught.value.expected or "")
    assert caught.value.found == found
    assert downloads(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == [".downloads"]
    hub.altered.clear()
    assert get(hub, tmp_path, "test")[-1] == "test: complete"


def test_a_connection_that_breaks_is_resumed(tmp_path: Path, hub: Hub) -> None:
    hub.cut_after = 200
    get(hub, tmp_path, "test")
    size = len(hub.files["CNN_synth_testset.zip"])
    assert [wanted for _, wanted in hub.asked] == ["", *(f"bytes={n}-" for n in range(200, size, 200))]


def test_a_later_call_resumes_from_what_is_kept(tmp_path: Path, hub: Hub) -> None:
    hub.cut_after = 0
    digest = hashlib.sha256(hub.files["CNN_synth_testset.zip"]).hexdigest()
    part = tmp_path / f".downloads/CNN_synth_testset.zip.{digest[:12]}.part"
    part.parent.mkdir()
    part.write_bytes(hub.files["CNN_synth_testset.zip"][:50])
    with pytest.raises(UserError, match="download was interrupted") as caught:
        get(hub, tmp_path, "test")
    assert "run the command again to resume" in (caught.value.fix or "")
    assert part.stat().st_size == 50
    hub.cut_after = None
    assert get(hub, tmp_path, "test")[-1] == "test: complete"
    assert hub.asked[-1] == ("CNN_synth_testset.zip", "bytes=50-")


def test_bytes_of_an_older_version_are_not_resumed(tmp_path: Path, hub: Hub) -> None:
    (tmp_path / ".downloads").mkdir()
    (tmp_path / ".downloads/CNN_synth_testset.zip.0123456789ab.part").write_bytes(b"old")
    get(hub, tmp_path, "test")
    assert hub.asked == [("CNN_synth_testset.zip", "")]
    assert downloads(tmp_path) == []


def test_a_refusal_is_not_a_broken_connection(tmp_path: Path, hub: Hub) -> None:
    hub.status = 404
    with pytest.raises(UserError, match="hub refused"):
        get(hub, tmp_path, "test")
    hub.status = 503
    with pytest.raises(UserError, match="download was interrupted"):
        get(hub, tmp_path, "test")


def test_a_file_that_the_hub_does_not_have_is_named(tmp_path: Path, hub: Hub) -> None:
    del hub.files["progan_val.zip"]
    with pytest.raises(UserError, match=r"no large file 'progan_val\.zip'"):
        get(hub, tmp_path, "val")


def test_without_the_library_the_message_says_how_to_install_it(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match="huggingface_hub") as caught:
        get(hub, tmp_path, "test")
    assert "fake-forensics[data]" in (caught.value.fix or "")


def test_an_archive_without_all_its_images_is_not_complete(tmp_path: Path, hub: Hub) -> None:
    hub.files["CNN_synth_testset.zip"] = pack("san/0_real/1.png", "san/1_fake/1.png")
    with pytest.raises(UserError, match="does not hold the expected images") as caught:
        get(hub, tmp_path, "test")
    assert "san, real: 1 of 2" in str(caught.value)


def test_the_training_archive_comes_in_volumes(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def join(first: Path, out: Path) -> None:
        volumes = sorted(first.parent.glob("progan_train.7z.*"))
        (out / "progan_train.zip").write_bytes(b"".join(path.read_bytes() for path in volumes))

    monkeypatch.setattr(download, "find_7zip", lambda: "7z")
    monkeypatch.setattr(download, "unpack_7z", join)
    get(hub, tmp_path, "train")
    assert (tmp_path / "progan_train/cat/0_real/1.png").exists()
    assert len(hub.asked) == 7
    assert downloads(tmp_path) == []


def test_gated_sets_print_their_steps() -> None:
    text = instructions("celeb_df")
    for part in (
        "https://github.com/yuezunli",
        "Celeb-real/id0_0000.mp4",
        "params.yaml",
        "data check celeb_df",
    ):
        assert part in text
    with pytest.raises(UserError, match="unknown layout"):
        instructions("celebdf")


def zipped(path: Path, *names: str) -> Path:
    path.write_bytes(pack(*names))
    return path


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("top", ["", "progan_val/"])
def test_with_or_without_a_top_folder_the_result_is_the_same(tmp_path: Path, top: str) -> None:
    archive = zipped(tmp_path / "a.zip", f"{top}cat/0_real/1.png", f"{top}dog/1_fake/2.png", "__MACOSX/x")
    unpack_zip(archive, tmp_path / "root", "progan_val")
    assert names(tmp_path / "root") == ["progan_val/cat/0_real/1.png", "progan_val/dog/1_fake/2.png"]


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    (tmp_path / "root/other").mkdir(parents=True)
    (tmp_path / "root/other/x").write_text("kept")
    unpack_zip(zipped(tmp_path / "a.zip", "san/0_real/1.png"), tmp_path / "root", "")
    assert names(tmp_path / "root") == ["other/x", "san/0_real/1.png"]


@pytest.mark.parametrize("damage", ["altered", "cut"])
def test_a_damaged_archive_is_removed_and_leaves_nothing(tmp_path: Path, damage: str) -> None:
    archive = zipped(tmp_path / "a.zip", "san/0_real/1.png", "san/0_real/2.png")
    data = archive.read_bytes()
    altered = data.replace(b"picture san/0_real/2.png", b"picture san/0_real/X.png")
    archive.write_bytes(altered if damage == "altered" else data[:-10])
    with pytest.raises(UserError, match="damaged"):
        unpack_zip(archive, tmp_path / "root", "")
    assert names(tmp_path) == []


def test_a_member_cannot_leave_the_folder(tmp_path: Path) -> None:
    unpack_zip(zipped(tmp_path / "a.zip", "../../evil.png"), tmp_path / "root", "")
    assert names(tmp_path) == ["a.zip", "root/evil.png"]


def test_without_7_zip_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="not installed"):
        find_7zip()


def test_7_zip_is_called_and_its_error_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "7z"
    program.write_text('#!/bin/sh\necho "Data Error in $4" >&2\nexit 2\n')
    program.chmod(0o755)
    monkeypatch.setattr(download, "find_7zip", lambda: str(program))
    with pytest.raises(UserError, match="cannot unpack") as caught:
        unpack_7z(tmp_path / "x.7z.001", tmp_path)
    assert "Data Error in" in str(caught.value)
    assert "x.7z.001" in str(caught.value)
