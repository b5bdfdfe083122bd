"""Hash the code of every stage, so that an edited text does not train a model again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stages._command import run_command

if TYPE_CHECKING:
    from fakeforensics.params import FacesParams, SourceParams

# Stage → modules that it finds by name, which no import statement shows. Modules of data sets and detectors
# are not listed: they have separate files, on which only the sources and runs depend that use them.
FOUND_BY_NAME = {"splits": ("fakeforensics.thesis.instances",)}
FACE_CODE = "fakeforensics.faces.extract"  # finds and aligns faces; whole images do not need it


def main(
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
    out: Annotated[Path, typer.Option(help="Folder of the hashes.")] = Path("data/code"),
) -> None:
    """Write data/code/<stage>.json, data/code/detectors.json and, for each source, two more files.

    Each file holds hashes of the modules that make up the stage or the detector. Comments, docstrings and
    messages do not count. data/code/inventory/<source>.json and data/code/images/<source>.json hold
    everything that determines the list of a source's files and its images: the source's settings, the code
    and the data-set adapter, and for the images also the settings of the group `faces`.
    """
    from fakeforensics.code import code_hashes, module_file
    from fakeforensics.files import atomic_directory, write_json
    from fakeforensics.params import load_params
    from fakeforensics.sources.registry import adapter_names

    settings = load_params(params)

    def modules(package: str) -> list[str]:
        folder = module_file(package)
        names = sorted(path.stem for path in folder.parent.glob("[!_]*.py")) if folder else []
        return [f"{package}.{name}" for name in names]

    with atomic_directory(out) as folder:
        for stage in modules("stages"):
            name = stage.removeprefix("stages.")
            write_json(folder / f"{name}.json", code_hashes(stage, *FOUND_BY_NAME.get(name, ())))
        layouts = adapter_names()
        for source, configured in settings.sources.items():
            own = {"source": configured.deciding()}
            adapter = f"fakeforensics.sources.{configured.layout}"
            listed = code_hashes("stages.inventory") | code_hashes(adapter, below="fakeforensics.sources")
            write_json(folder / "inventory" / f"{source}.json", own | {"code": listed})
            if configured.layout not in layouts:
                continue  # the inventory stage of this source reports the error, and other sources still run
            crop, faces = image_settings(configured, settings.faces)
            made = code_hashes("stages.faces", without="" if crop == "faces" else FACE_CODE)
            made |= code_hashes(adapter, below="fakeforensics.sources")
            write_json(folder / "images" / f"{source}.json", own | {"faces": faces, "code": made})
        detectors = {name: code_hashes(name) for name in modules("fakeforensics.detectors")}
        write_json(folder / "detectors.json", detectors)


def image_settings(source: SourceParams, faces: FacesParams) -> tuple[str, dict[str, Any]]:
    """Whether the faces of a source are cropped (`faces`) or not (`whole`), and the settings that matter."""
    from fakeforensics.sources.base import VIDEO_SUFFIXES
    from fakeforensics.sources.registry import adapter_class

    adapter = adapter_class(source.layout)
    crop = source.crop or adapter.crop
    found: dict[str, Any] = {"shard_mb": faces.shard_mb}
    if crop == "faces" or adapter.suffixes & VIDEO_SUFFIXES:
        found |= faces.deciding(crop)
    if crop == "faces":
        found["max_rejected"] = faces.max_rejected
    return crop, found


if __name__ == "__main__":
    run_command(main, "sources", "faces")
