"""What a case folder records, and that it appears whole."""

import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from fakeforensics.errors import UserError
from fakeforensics.images.codec import decode
from fakeforensics.inference.crops import cut_faces
from fakeforensics.inference.evidence.build import REENCODINGS, case_folder, pixel_digest
from fakeforensics.inference.evidence.case import read_case
from fakeforensics.inference.inputs import Item
from fakeforensics.inference.package import Package
from fakeforensics.inference.predict import Predictor
from tests.unit.inference.conftest import FACES, rewrite
from tests.unit.inference.evidence.conftest import HOSTILE, make_case


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Links(HTMLParser):
    """Collects where the elements of a page point to."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href", "srcset", "action")]


def test_a_still_is_recorded_with_all_that_its_score_depends_on(case, documented, evidence, portrait):
    record = read_case(case)
    file = record.files[0]
    original = evidence / HOSTILE
    assert (file.name, file.stored) == (str(original), "inputs/0001.png")
    assert file.size == original.stat().st_size
    assert file.sha256 == file.sha256_after == digest(original) == digest(case / file.stored)
    # By hand: the height and width as text, then the pixels.
    assert file.pixels_sha256 == hashlib.sha256(b"512 x 512\n" + portrait.tobytes()).hexdigest()
    assert file.pixels_sha256 == pixel_digest([portrait])
    (face,) = file.faces
    assert face.assessment.verdict == ("fake" if face.scores["logit"] >= 0.25 else "real")
    assert face.assessment.score == face.scores["logit"]
    # log10 of the likelihood ratio is 2 · score + 0.5, within the bounds.
    assert face.assessment.log10_lr == pytest.approx(np.clip(2 * face.scores["logit"] + 0.5, -1, 1))
    assert decode((case / face.crop).read_bytes()).shape == decode((case / face.heat).read_bytes()).shape
    assert (file.quality.jpeg_quality, [one.property for one in file.outside]) == (None, ["format"])
    assert [one.name for one in file.reencodings] == list(REENCODINGS)
    assert file.decisive == file.people[0]
    assert record.model.files["model.safetensors"] == digest(documented.directory / "model.safetensors")
    assert record.model.manifests == {"train.parquet": "ab" * 32}
    assert record.program.libraries["torch"].record_sha256
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record.started)


def test_a_clip_is_recorded_by_person_and_frame(case):
    file = read_case(case).files[1]
    assert (file.kind, len(file.people), file.lost_frames) == ("video", 1, 3)
    assert [face.frame for face in file.faces] == list(range(9))
    mean = np.mean([face.assessment.score for face in file.faces])
    assert file.people[0].assessment.score == pytest.approx(mean)
    assert sum(face.heat is not None for face in file.faces) == 4  # the most suspicious frames
    assert all(len(coded.people) == 1 for coded in file.reencodings)


def test_a_file_that_is_not_scored_is_recorded_with_the_reason(case):
    file = read_case(case).files[2]
    assert "not an image" in file.reason
    assert (file.size, file.faces, file.decisive) == (12, (), None)
    assert file.sha256 == digest(case / file.stored)


def test_cutting_again_without_a_change_gives_the_same_crop(case, portrait):
    face = read_case(case).files[0].faces[0]
    (crop,) = cut_faces(FACES.faces, portrait, [face.box])
    middle = crop[16:80, 16:80]  # the detector sees the central 64 of 96 pixels
    assert (middle == decode((case / face.crop).read_bytes())).all()


def test_the_hashes_can_be_checked_without_this_program(case):
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=case, check=True)
    assert done.returncode == 0


def test_the_page_needs_nothing_else_and_shows_names_as_text(case):
    page = (case / "report.html").read_text()
    links = Links()
    links.feed(page)
    assert links.found
    assert all(re.match(r"data:image/(png|jpeg);base64,|#", link) for link in links.found)
    assert "url(" not in page
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert digest(case / "case.json") in page  # a printed page is proof of the record
    for file in read_case(case).files:
        assert file.sha256 in page
    assert page.count("12.5") >= 1  # the error rate of the unseen method


def test_a_doubted_detector_is_doubted_on_the_page(documented, tmp_path):
    folder = tmp_path / "joint"
    shutil.copytree(documented.directory, folder)
    rewrite(folder, "model.json", documented.raw_card | {"epochs": 5, "best_epoch": 0})
    (tmp_path / "broken.jpg").write_bytes(b"not an image")
    make_case(tmp_path / "case", Package(folder), [tmp_path / "broken.jpg"])
    (doubt,) = Package(folder).doubts
    assert doubt in (tmp_path / "case/report.html").read_text()


def test_no_file_resembles_training_files_that_are_not_known(documented, photo, tmp_path):
    folder = tmp_path / "joint"
    shutil.copytree(documented.directory, folder)
    rewrite(folder, "training.json", {"manifests": {}})  # as of a detector that was trained elsewhere
    (tmp_path / "broken.jpg").write_bytes(b"not an image")
    make_case(tmp_path / "case", Package(folder), [photo, tmp_path / "broken.jpg"])
    assert [file.outside for file in read_case(tmp_path / "case").files] == [None, None]
    page = (tmp_path / "case/report.html").read_text()
    assert page.count("training files are not known") == 1  # the other file could not be read
    assert "resemble those of the training files" not in page


def test_an_existing_folder_is_not_overwritten(documented, tmp_path):
    (tmp_path / "case").mkdir()
    (tmp_path / "case/notes.txt").write_text("mine")
    with pytest.raises(UserError, match="already exists"):
        make_case(tmp_path / "case", documented, [])
    assert (tmp_path / "case/notes.txt").read_text() == "mine"


@pytest.mark.parametrize("late", [False, True])
def test_a_file_that_changes_meanwhile_leaves_no_folder(documented, tmp_path, late):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"before")
    predictor = Predictor(documented, FACES, workers=1)
    items = [Item(path, "image")]
    out = tmp_path / "case"
    with pytest.raises(UserError, match=r"changed (while|since)"):  # noqa: SIM117
        with case_folder(out, documented, predictor, FACES, items, [], 64) as case:
            if not late:
                path.write_bytes(b"after")
            for _ in case.recorded(predictor.predict(items)):
                # After the record: the package.
                card = documented.directory / "model.json"
                text = card.read_text()
                card.write_text(json.dumps(json.loads(text) | {"epochs": 99}))
            try:
                case.finish()
            finally:
                card.write_text(text)
    assert {one.name for one in tmp_path.iterdir()} == {"photo.jpg"}
