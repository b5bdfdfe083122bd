"""Select the hashes of the sources that a protocol uses."""

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.names import check_name
from stages._command import run_command


def main(
    protocol: Annotated[
        str, typer.Option(callback=check_name, help="Name of a file in protocols/, without its suffix.")
    ],
    contents: Annotated[Path, typer.Option(help="File with the hashes of all sources.")] = Path(
        "data/contents.json"
    ),
    protocols: Annotated[Path, typer.Option(help="Folder of the protocols.")] = Path("protocols"),
    out: Annotated[Path, typer.Option(help="Folder for <protocol>.json.")] = Path("data/inputs"),
) -> None:
    """Write the hashes of the protocol's own sources, on which its splits depend.

    The hash of a source that is not in params.yaml is null. The splits stage reports such a source.
    """
    from fakeforensics.files import write_json
    from fakeforensics.parsing import read_json_as
    from fakeforensics.splits.protocol import load_protocol

    hashes = read_json_as(dict[str, dict[str, str]], contents)
    write_json(
        out / f"{protocol}.json",
        {source: hashes.get(source) for source in load_protocol(protocol, protocols).sources()},
    )


if __name__ == "__main__":
    run_command(main)
