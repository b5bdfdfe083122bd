"""Getting a package from elsewhere. The package is two small files: no weights are needed to check hashes."""

import hashlib
import shutil
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file, write_json
from fakeforensics.inference import obtain as module
from fakeforensics.inference.obtain import obtain
from fakeforensics.models.card import CARD, FORMAT
from fakeforensics.sums import SUMS, write_sums
from tests.unit.inference.conftest import FACES, TOY

WEIGHTS = b"weights" * 1000


@pytest.fixture
def published(tmp_path):
    """A package as its author has it, with a file in a subfolder and one that its list does not name."""
    folder = tmp_path / "published/joint"
    (folder / "more").mkdir(parents=True)
    detector = {
        "name": "joint",
        "label": "Joint",
        "title": "t",
        "sees": "reals+fakes",
        "scores": [score.model_dump(mode="json") for score in TOY],
    }
    card = {
        "format": FORMAT,
        "protocol": "p",
        "weights_sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "detector": detector,
        "preprocess": {},
        "images": {"crop": {"src": "faces"}, "faces": FACES.faces.model_dump(mode="json")},
    }
    write_json(folder / CARD, card)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "more/a b.json").write_text("{}")
    write_sums(folder)
    (folder / "unlisted.txt").write_text("left behind")
    return folder


@pytest.fixture
def packages(tmp_path):
    return tmp_path / "packages"


def pack(folder, path, top="p/joint/"):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, top + file.relative_to(folder).as_posix())
    return path


def relist(folder, lines):
    """Make a list of files with a right last line."""
    digest = hashlib.sha256(lines.encode()).hexdigest()
    (folder / SUMS).write_text(f"{lines}# SHA-256 of the lines above: {digest}\n")


def arrived(folder, packages):
    """Whether the listed files, and no others, are below packages/."""
    found = {file.relative_to(packages).as_posix() for file in packages.rglob("*") if file.is_file()}
    names = (CARD, "model.safetensors", "more/a b.json", SUMS)
    assert found == {f"p/joint/{name}" for name in names}
    for name in names:
        assert (packages / "p/joint" / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("form", ["folder", "folder address", "archive", "archive address", "flat archive"])
def test_a_package_arrives_whole(form, published, packages, tmp_path):
    top = "" if form == "flat archive" else "p/joint/"
    path = pack(published, tmp_path / "one.zip", top) if "archive" in form else published
    done = obtain("p/joint", path.as_uri() if "address" in form else str(path), root=packages)
    arrived(published, packages)
    assert (done.package.directory, done.files) == (packages / "p/joint", 4)
    assert done.size == sum((packages / "p/joint" / name).stat().st_size for name in (CARD, SUMS)) + 7000 + 2
    assert done.digest == hashlib.sha256((published / SUMS).read_bytes()).hexdigest()


def test_a_web_server_serves_folders_and_archives(published, packages, tmp_path):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    pack(published, tmp_path / "published/one.zip")
    (published / "more/a b.json").rename(tmp_path / "away")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/published"
        with pytest.raises(UserError, match=r"more/a b\.json is missing[\s\S]*more/a%20b\.json: .*404"):
            obtain("p/joint", f"{url}/joint/", root=packages)
        (tmp_path / "away").rename(published / "more/a b.json")
        obtain("p/joint", f"{url}/joint/", root=packages)
        arrived(published, packages)
        shutil.rmtree(packages)
        obtain("p/joint", f"{url}/one.zip", root=packages)
        arrived(published, packages)
        server.shutdown()
    shutil.rmtree(packages)
    with pytest.raises(UserError, match=r"SHA256SUMS cannot be read[\s\S]*refused"):
        obtain("p/joint", url, root=packages)


def spoil_weights(folder):
    (folder / "model.safetensors").write_bytes(WEIGHTS[:-1] + b"S")


def cut_weights(folder):
    (folder / "model.safetensors").write_bytes(WEIGHTS[:-1])


def lose_weights(folder):
    (folder / "model.safetensors").unlink()


def change_list(folder):
    (folder / SUMS).write_text((folder / SUMS).read_text().replace("model.json", "model.jsom"))


def lose_card(folder):
    (folder / CARD).unlink()
    write_sums(folder)


def list_outside(folder):
    relist(folder, f"{'0' * 64}  {CARD}\n{'0' * 64}  ../../outside\n")


def list_absolute(folder):
    relist(folder, f"{'0' * 64}  {CARD}\n{'0' * 64}  /tmp/outside\n")


def list_hidden(folder):
    (folder / ".hidden").write_text("x")
    relist(folder, f"{'0' * 64}  {CARD}\n{'0' * 64}  .hidden\n")


def list_folder_as_file(folder):
    digest = sha256_file(folder / "more/a b.json")
    relist(folder, f"{digest}  more/a b.json\n{'0' * 64}  more/a b.json/x\n{'0' * 64}  {CARD}\n")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_weights, r"model\.safetensors: changed"),
        (cut_weights, r"model\.safetensors: changed"),
        (lose_weights, r"model\.safetensors is missing"),
        (change_list, "SHA256SUMS: changed"),
        (lose_card, r"does not list a package[\s\S]*model\.json"),
        (list_outside, r"lists a name[\s\S]*'\.\./\.\./outside'"),
        (list_absolute, r"lists a name[\s\S]*'/tmp/outside'"),
        (list_hidden, r"lists a name[\s\S]*'\.hidden'"),
        (list_folder_as_file, "both a file and a folder"),
    ],
)
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_a_faulty_package_is_refused_and_leaves_nothing(form, spoil, message, published, packages, tmp_path):
    spoil(published)
    origin = pack(published, tmp_path / "one.zip") if form == "archive" else published
    with pytest.raises(UserError, match=message):
        obtain("p/joint", str(origin), root=packages)
    assert not [path for path in packages.rglob("*") if path.is_file()]


def test_members_that_the_list_does_not_name_are_never_written(published, packages, tmp_path):
    path = pack(published, tmp_path / "one.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../outside", "x")
        archive.writestr("p/joint/../../../outside", "x")
    obtain("p/joint", str(path), root=packages)
    arrived(published, packages)
    assert not [*tmp_path.rglob("outside")]


def test_sizes_are_bounded(published, packages, tmp_path, monkeypatch):
    path = pack(published, tmp_path / "one.zip")
    # The weights are 7,000 bytes, and in the archive uncompressed.
    monkeypatch.setattr(module, "LARGEST", 6999)
    with pytest.raises(UserError, match=r"model\.safetensors is too large[\s\S]*6,999"):
        obtain("p/joint", str(published), root=packages)
    with pytest.raises(UserError, match="archive is too large"):
        obtain("p/joint", str(path), root=packages)
    monkeypatch.setattr(module, "LARGEST_SUMS", 10)
    with pytest.raises(UserError, match="SHA256SUMS is too large"):
        obtain("p/joint", str(published), root=packages)
    monkeypatch.undo()
    monkeypatch.setattr(module, "MOST_FILES", 2)
    with pytest.raises(UserError, match=r"at most 2 files[\s\S]*3 files"):
        obtain("p/joint", str(published), root=packages)


def test_the_expected_hash_tells_a_replaced_package(published, packages):
    digest = hashlib.sha256((published / SUMS).read_bytes()).hexdigest()
    with pytest.raises(UserError, match=rf"not the requested package[\s\S]*{digest}"):
        obtain("p/joint", str(published), sha256="0" * 64, root=packages)
    assert obtain("p/joint", str(published), sha256=digest.upper(), root=packages).digest == digest


def test_a_package_that_is_here_stays(published, packages):
    (packages / "p/joint").mkdir(parents=True)
    with pytest.raises(UserError, match="the package already exists"):
        obtain("p/joint", str(published), root=packages)
    assert not [*(packages / "p/joint").iterdir()]


@pytest.mark.parametrize(
    ("name", "message"),
    [("joint", "not a model's name"), ("p/../joint", "is not a name"), ("q/joint", "expected: q/joint")],
)
def test_names_are_checked(name, message, published, packages):
    with pytest.raises(UserError, match=message):
        obtain(name, str(published), root=packages)
    assert not [path for path in packages.rglob("*") if path.is_file()]


def test_other_origins_are_explained(published, packages, tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        obtain("p/joint", "./nowhere", root=packages)
    with pytest.raises(UserError, match="not a repository, so it has no revision v1"):
        obtain("p/joint", str(published), rev="v1", root=packages)
    text = tmp_path / "text"
    text.write_text("no archive")
    with pytest.raises(UserError, match="not a zip archive"):
        obtain("p/joint", str(text), root=packages)
    two = pack(published, tmp_path / "two.zip", "one/")
    with zipfile.ZipFile(two, "a") as archive:
        archive.writestr("two/SHA256SUMS", "")
    with pytest.raises(UserError, match=r"not the archive of one package[\s\S]*found: 2"):
        obtain("p/joint", str(two), root=packages)
