"""Hash the images of each source."""

from pathlib import Path
from typing import Annotated

import typer

from stages._command import run_command


def main(
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
    images: Annotated[Path, typer.Option(help="Folder of the stored images.")] = Path("data/images"),
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("data/contents.json"),
) -> None:
    """Write the SHA-256 of the index and the lists of each source in params.yaml.

    The index of a source holds the SHA-256 of every image, so the shards need not be read.
    """
    from fakeforensics.files import sha256_file, write_json
    from fakeforensics.params import load_params
    from fakeforensics.sums import write_list

    def files(source: str) -> dict[str, str]:
        found = sorted(path for path in (images / source).rglob("*") if path.is_file())
        return {
            path.relative_to(images / source).as_posix(): sha256_file(path)
            for path in found
            if path.suffix != ".tar"
        }

    write_json(out, {source: files(source) for source in sorted(load_params(params).sources)})
    write_list([out])


if __name__ == "__main__":
    run_command(main, "sources")
