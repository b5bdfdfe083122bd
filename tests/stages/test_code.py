"""The stage `code`: what decides the images of each source."""

import json
from pathlib import Path

import yaml

from stages import code

FACES = {
    "dffd": {"layout": "dffd", "root": "a"},
    "cropped": {"layout": "cnn_synth", "root": "b", "crop": "faces"},
}
WHOLE = {"cnn_synth": {"layout": "cnn_synth", "root": "b"}}
FRAMES = {"folder": {"layout": "folder", "root": "c", "crop": "whole"}}  # may hold clips


def written(folder: Path, **faces) -> dict[str, dict]:
    params = {"protocols": ["demo"], "detectors": ["bce"], "compare": {"baseline": "bce"}, "faces": faces}
    sources = FACES | WHOLE | FRAMES | {"odd": {"layout": "unknown", "root": "d"}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params | {"sources": sources}))
    code.main(folder / "params.yaml", folder / "code")
    return {path.stem: json.loads(path.read_text()) for path in (folder / "code/images").iterdir()}


def changed(folder: Path, **faces) -> set[str]:
    before, after = written(folder), written(folder, **faces)
    assert {*before} == {*after} == {*FACES, *WHOLE, *FRAMES}  # an unknown layout has no adapter to ask
    return {source for source in before if before[source] != after[source]}


def test_a_source_depends_on_the_face_settings_that_touch_its_images(tmp_path):
    for setting in ({"size": 64}, {"padding": 0.5}, {"landmarks": 68}, {"tracks": "all"}, {"min_face": 60}):
        assert changed(tmp_path, **setting) == {*FACES}
    assert changed(tmp_path, max_rejected=0.9) == {*FACES}
    for setting in ({"frames_per_video": 5}, {"frame_step": 3}):
        assert changed(tmp_path, **setting) == {*FACES, *FRAMES}
    assert changed(tmp_path, shard_mb=1) == {*FACES, *WHOLE, *FRAMES}
    assert changed(tmp_path, workers=3, executor="dask", scheduler="tcp://a:1") == set()


def test_a_source_depends_on_the_code_that_makes_its_images(tmp_path):
    found = {source: {*content["code"]} for source, content in written(tmp_path).items()}
    finding = {f"fakeforensics.faces.{name}" for name in ("extract", "detect", "track", "align")}
    both = {
        f"fakeforensics.faces.{name}" for name in ("run", "assemble", "whole", "still", "video", "results")
    }
    for source in FACES:
        assert found[source] >= finding | both
    for source in (*WHOLE, *FRAMES):
        assert found[source] >= both | {"fakeforensics.images.shards", "stages.faces"}
        assert not found[source] & finding
