"""Write a protocol's pipeline from the template."""

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.names import check_name
from stages._command import run_command


def main(
    protocol: Annotated[
        str | None,
        typer.Option(help="Name of a file in protocols/, without its suffix; by default all pipelines."),
    ] = None,
    protocols: Annotated[Path, typer.Option(help="Folder of the protocols.")] = Path("protocols"),
    run: Annotated[bool, typer.Option(help="Whether to run the pipeline if it is new.")] = True,
    out: Annotated[Path, typer.Option(help="Folder of the pipelines and of their template.")] = Path(
        "pipelines"
    ),
) -> None:
    """Write pipelines/<protocol>/dvc.yaml from the template, and run the pipeline if it is new.

    DVC reads all pipelines when it starts, so it would run a new one only at its next start. Without
    --protocol, the command writes all existing pipelines again.
    """
    import os
    import subprocess
    import sys

    from fakeforensics.errors import UserError
    from fakeforensics.files import write_text
    from fakeforensics.splits.protocol import load_protocol

    template = (out / "template.yaml").read_text(encoding="utf-8")
    names = sorted(path.parent.name for path in out.glob("*/dvc.yaml")) if protocol is None else [protocol]
    for name in names:
        load_protocol(check_name(name), protocols)
        path = out / name / "dvc.yaml"
        before = path.read_text(encoding="utf-8") if path.is_file() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path.with_name("protocol.yaml"), f'protocol: ["{name}"]\n')
        if before == template:
            continue
        write_text(path, template)
        typer.echo(f"{path}: written")
        if protocol is None or not run:
            continue
        if before is not None:
            raise UserError(
                f"{path} was not written from {out / 'template.yaml'}, and DVC has already read it",
                fix="it is up to date now: run the same command again",
            )
        if subprocess.run([sys.executable, "-m", "dvc", "repro", str(path)], check=False).returncode:
            raise UserError(f"{path}: `dvc repro` failed", fix="see its messages above")
        if "DVC_EXP_NAME" in os.environ:  # DVC saves files of other processes only if Git tracks them
            added = [str(path.parent), f"metrics/{name}", ":(glob)**/.gitignore"]
            subprocess.run(["git", "add", "--", *added], check=True)


if __name__ == "__main__":
    run_command(main)
