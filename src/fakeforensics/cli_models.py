"""`fakeforensics models`: list the packaged models, and get models that others packaged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option
from typer.core import TyperGroup


class _ListByDefault(TyperGroup):
    """Runs `list` if no command is named: `models DIR` means `models list DIR`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_ListByDefault, rich_markup_mode=None)


@app.callback()
def models() -> None:
    """List the packaged models, or get a model that somebody else packaged.

    `list` is the default command: `models DIR` means `models list DIR`.

    \b
    Examples:
      fakeforensics models
      fakeforensics models ../other-project/packages
    """  # noqa: D301 (\b keeps the lines of the examples)


@app.command("list")
def list_models(
    root: Annotated[Path, Argument(help="Folder that holds the packages.")] = Path("packages"),
) -> None:
    """List the packaged models and their average precision."""
    from fakeforensics.inference.output import print_models

    print_models(root)


@app.command()
def get(
    name: Annotated[str, Argument(help="Name of the model: <protocol>/<detector>.")],
    origin: Annotated[
        str,
        Option(
            "--from",
            help="Where to find the package: its folder or zip archive, as a path or as an http, https or "
            "file address; a repository, as a folder or as an address that ends in .git or begins with "
            "ssh:// or git@; or the name of a DVC remote of this project.",
        ),
    ],
    rev: Annotated[str | None, Option(help="Revision of the repository, such as a tag or a commit.")] = None,
    sha256: Annotated[
        str | None,
        Option(
            help="Expected SHA-256 of the package's file SHA256SUMS, from its author. Without this option "
            "the command finds damaged files, but cannot detect that somebody replaced the whole package."
        ),
    ] = None,
) -> None:
    """Copy a packaged model into packages/, after checking the SHA-256 of every file.

    The command does not replace an existing package. The last line that it prints is the SHA-256 of
    SHA256SUMS, which identifies the package.

    \b
    Examples:
      fakeforensics models get demo/joint --from team
      fakeforensics models get demo/joint --from https://git.example.org/lab/fakes.git --rev demo-joint@v1.0.0
      fakeforensics models get demo/joint --from https://example.org/models/joint.zip
      fakeforensics models get demo/joint --from /media/usb/demo/joint
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.inference.obtain import obtain
    from fakeforensics.wording import counted

    done = obtain(name, origin, rev, sha256)
    typer.echo(
        f"{done.package.directory}: {counted(done.files, 'file')}, {done.size / 2**20:.1f} MiB, all as listed"
    )
    typer.echo(f"SHA-256 of its file SHA256SUMS: {done.digest}")
