"""The data stages write the same bytes with and without the instructions that processors may lack.

`qemu-x86_64 -cpu Nehalem` runs a whole old processor, and the same commands under it; it is not needed here.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.processors import old_processor

ROOT = Path(__file__).parents[2]
SOURCES = ("demo_celeb_df", "demo_dffd", "demo_cnn_synth")

STAGES = f"""
import sys
from pathlib import Path
from examples.demo import Recipe
from examples.demo.build import build
from stages import faces, inventory, splits
recipe = Recipe(celebrities=6, test_celebrities=2, takes=1, youtube_clips=2, frames=4, celeba=(4, 4, 4),
                ffhq=(4, 4, 4), whole=4, lessons=2, steps=3)
build(Path("data/raw/demo"), 0, recipe, workers=int(sys.argv[1]))
for stage in (inventory, faces):
    for source in {SOURCES}:
        stage.main(source)
splits.main("demo")
"""
"""All data stages on the smallest demo from which the protocol can be cut, every kind of picture in it."""


def make(folder: Path, environment: dict[str, str], threads: int) -> dict[str, str]:
    """Run the data stages there, and hash all files that they leave."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["faces"]["workers"] = threads
    # The stages of both runs see the same relative paths.
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "protocols").symlink_to(ROOT / "protocols")
    libraries = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    count = {name: str(threads) for name in libraries}
    path = os.pathsep.join(map(str, (ROOT / "src", ROOT)))
    done = subprocess.run(
        (sys.executable, "-c", STAGES, str(threads)),
        cwd=folder,
        env=os.environ | count | environment | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    files = sorted(path for path in (folder / "data").rglob("*") if path.is_file())
    return {
        path.relative_to(folder / "data").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.mark.slow
def test_the_data_stages_write_the_same_bytes_on_every_processor(tmp_path):
    new, old = make(tmp_path / "new", {}, 2), make(tmp_path / "old", old_processor(), 1)
    for stage in ("raw/demo", "inventory", "images", "manifests"):
        files = {name for name in new if name.startswith(stage)}
        assert len(files) >= len(SOURCES)
        assert {name for name in files if new[name] != old.get(name)} == set()
    assert new == old
