"""Hash the code of every stage, so that an edited text does not train a model again."""

from pathlib import Path
from typing import Annotated

import typer

from stages._command import run_command

# Modules that a stage finds by name, so that no import statement tells of them. The module of a data set
# and that of a detector count for the sources and the runs that use them: they have files of their own.
FOUND_BY_NAME = {"splits": ("fakeforensics.thesis.instances",)}


def main(
    params: Annotated[Path, typer.Option(help="The settings.")] = Path("params.yaml"),
    out: Annotated[Path, typer.Option(help="Folder of the hashes.")] = Path("data/code"),
) -> None:
    """Write data/code/<stage>.json, data/code/sources/<layout>.json and data/code/detectors.json.

    Each holds hashes of the modules that the stage, the data-set adapter or the detector is made of.
    Comments, docstrings and messages do not count.
    """
    from fakeforensics.code import code_hashes, module_file
    from fakeforensics.files import atomic_directory, write_json
    from fakeforensics.params import load_params

    load_params(params)

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
        detectors = {name: code_hashes(name) for name in modules("fakeforensics.detectors")}
        write_json(folder / "detectors.json", detectors)


if __name__ == "__main__":
    run_command(main, "sources")
