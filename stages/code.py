"""Hash the code of every stage, so that an edited text does not train a model again."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages._command import run_command

# Modules that a stage finds by name, so that no import statement tells of them. The module of a data set
# and that of a detector count for the sources and the runs that use them: they have files of their own.
FOUND_BY_NAME = {"splits": ("fakeforensics.thesis.instances",)}
FACE_CODE = "fakeforensics.faces.extract"  # finds and aligns faces; whole images do without


def main(
    params: Annotated[Path, typer.Option(help="The settings.")] = Path("params.yaml"),
    out: Annotated[Path, typer.Option(help="Folder of the hashes.")] = Path("data/code"),
) -> None:
    """Write data/code/<stage>.json, data/code/sources/<layout>.json, data/code/detectors.json and more.

    Each holds hashes of the modules that the stage, the data-set adapter or the detector is made of.
    Comments, docstrings and messages do not count. data/code/images/<source>.json holds what decides the
    images of a source: its settings of the group `faces`, and the code that makes them.
    """
    from fakeforensics.code import code_hashes, module_file
    from fakeforensics.files import atomic_directory, write_json
    from fakeforensics.params import load_params
    from fakeforensics.sources.base import VIDEO_SUFFIXES, adapter_class, adapter_names

    settings = load_params(params)

    def modules(package: str) -> list[str]:
        folder = module_file(package)
        names = sorted(path.stem for path in folder.parent.glob("[!_]*.py")) if folder else []
        return [f"{package}.{name}" for name in names]

    with atomic_directory(out) as folder:
        for stage in modules("stages"):
            name = stage.removeprefix("stages.")
            write_json(folder / f"{name}.json", code_hashes(stage, *FOUND_BY_NAME.get(name, ())))
        for source in modules("fakeforensics.sources"):
            write_json(
                folder / "sources" / f"{source.rpartition('.')[2]}.json",
                code_hashes(source, below="fakeforensics.sources"),
            )
        layouts = adapter_names()
        for source, configured in settings.sources.items():
            if configured.layout not in layouts:
                continue  # its own stages say so, and those of other sources run
            adapter = adapter_class(configured.layout)
            crop = configured.crop or adapter.crop
            deciding: dict[str, Any] = {"shard_mb": settings.faces.shard_mb}
            if crop == "faces" or adapter.suffixes & VIDEO_SUFFIXES:
                deciding |= settings.faces.deciding(crop)
            if crop == "faces":
                deciding["max_rejected"] = settings.faces.max_rejected
            without = "" if crop == "faces" else FACE_CODE
            code = code_hashes("stages.faces", without=without)
            write_json(folder / "images" / f"{source}.json", {"settings": deciding, "code": code})
        detectors = {name: code_hashes(name) for name in modules("fakeforensics.detectors")}
        write_json(folder / "detectors.json", detectors)


if __name__ == "__main__":
    run_command(main, "sources", "faces")
