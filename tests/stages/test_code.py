"""The stage `code`: what decides the images of each source."""

import json

import yaml

from fakeforensics.params import FacesParams, SourceParams
from stages import code
from stages.code import image_settings

FACES = {
    "dffd": {"layout": "dffd", "root": "a"},
    "cropped": {"layout": "cnn_synth", "root": "b", "crop": "faces"},
}
WHOLE = {"cnn_synth": {"layout": "cnn_synth", "root": "b"}}
FRAMES = {"folder": {"layout": "folder", "root": "c", "crop": "whole"}}  # may hold clips


def changed(**faces) -> set[str]:
    """The sources whose images are others with these settings."""
    settings = [
        {
            name: image_settings(SourceParams(**source), one)
            for name, source in (FACES | WHOLE | FRAMES).items()
        }
        for one in (FacesParams(), FacesParams(**faces))
    ]
    return {name for name in settings[0] if settings[0][name] != settings[1][name]}


def test_a_source_depends_on_the_face_settings_that_touch_its_images():
    for setting in ({"size": 64}, {"padding": 0.5}, {"landmarks": 68}, {"tracks": "all"}, {"min_face": 60}):
        assert changed(**setting) == {*FACES}
    assert changed(max_rejected=0.9) == {*FACES}
    for setting in ({"frames_per_video": 5}, {"frame_step": 3}):
        assert changed(**setting) == {*FACES, *FRAMES}
    assert changed(shard_mb=1) == {*FACES, *WHOLE, *FRAMES}
    assert changed(workers=3, executor="dask", scheduler="tcp://a:1") == set()


def test_a_source_depends_on_the_code_that_makes_its_images(tmp_path):
    params = {"protocols": ["demo"], "detectors": ["bce"], "compare": {"baseline": "bce"}}
    sources = FACES | WHOLE | FRAMES
    # The stages of a source of an unknown layout say so, and those of others run.
    odd = {"odd": {"layout": "unknown", "root": "d"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params | {"sources": sources | odd}))
    code.main(tmp_path / "params.yaml", tmp_path / "code")
    written, listed = (
        {path.stem: json.loads(path.read_text()) for path in (tmp_path / "code" / folder).iterdir()}
        for folder in ("images", "inventory")
    )
    assert {*written} == {*sources}
    assert {*listed} == {*sources, "odd"}
    assert written["dffd"]["faces"]["size"] == 256
    for source, settings in sources.items():
        assert written[source]["source"] == listed[source]["source"] == settings
        for content in (written, listed):  # the adapter, and no other one
            adapters = {f"fakeforensics.sources.{name}" for name in ("dffd", "cnn_synth", "folder")}
            own = f"fakeforensics.sources.{settings['layout']}"
            assert {*content[source]["code"]} & adapters == {own}
    assert "stages.inventory" in listed["odd"]["code"]
    found = {source: {*content["code"]} for source, content in written.items()}
    finding = {f"fakeforensics.faces.{name}" for name in ("extract", "detect", "track", "align")}
    both = {
        f"fakeforensics.faces.{name}" for name in ("run", "assemble", "whole", "still", "video", "results")
    }
    for source in FACES:
        assert found[source] >= finding | both
    for source in (*WHOLE, *FRAMES):
        assert found[source] >= both | {"fakeforensics.images.shards", "stages.faces"}
        assert not found[source] & finding
