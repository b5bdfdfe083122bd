"""Write a protocol's train, validation and test manifests."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fakeforensics.names import check_name
from stages._command import run_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fakeforensics.images.reader import ImageReader


def main(
    protocol: Annotated[
        str, typer.Option(callback=check_name, help="A file in protocols/, without its suffix.")
    ],
    params: Annotated[Path, typer.Option(help="The settings.")] = Path("params.yaml"),
    protocols: Annotated[Path, typer.Option(help="Folder of the protocols.")] = Path("protocols"),
    images: Annotated[Path, typer.Option(help="Folder of the stored images.")] = Path("data/images"),
    out: Annotated[Path, typer.Option(help="The folder that gets <protocol>/.")] = Path("data/manifests"),
) -> None:
    """Write train, val, test, corrupted and reference.parquet, and what was counted and found."""
    from fakeforensics.params import load_params
    from fakeforensics.splits.protocol import check_sources, load_protocol

    settings = load_params(params)
    plan = load_protocol(protocol, protocols)
    check_sources(protocol, plan, settings)

    from fakeforensics.files import atomic_directory, write_json, write_parquet, write_text
    from fakeforensics.images.index import check_present, read_decisions, read_index, read_undetected
    from fakeforensics.images.reader import ImageReader
    from fakeforensics.splits.audit import audit
    from fakeforensics.splits.counts import count, table
    from fakeforensics.splits.manifest import build_manifests
    from fakeforensics.sums import write_sums

    check_present(images, plan.sources())
    indexes, undetected = partial(read_index, images), partial(read_undetected, images)
    manifests = build_manifests(protocol, plan, indexes, settings.splits.seed, undetected)
    counts = count(manifests, {source: read_decisions(images, source) for source in plan.sources()})
    reader = ImageReader(images)
    findings = audit(
        manifests,
        partial(_read_image, reader),
        settings.splits.audit_images,
        settings.splits.seed,
    )
    reader.close()
    with atomic_directory(out / protocol) as folder:
        write_parquet(folder / "train.parquet", manifests.train)
        write_parquet(folder / "val.parquet", manifests.val)
        write_parquet(folder / "test.parquet", manifests.test)
        write_parquet(folder / "corrupted.parquet", manifests.corrupted)
        write_parquet(folder / "reference.parquet", manifests.reference)
        write_json(folder / "counts.json", counts)
        write_json(folder / "audit.json", findings)
        # The report shows titles and test sets: it depends on this copy (docs/decisions/001-dependencies.md).
        write_text(folder / "protocol.yaml", (protocols / f"{protocol}.yaml").read_text(encoding="utf-8"))
        write_sums(folder)
    typer.echo(f"{protocol}: {plan.title}\n{table(counts)}")
    for warning in findings["warnings"]:
        typer.secho(f"warning: {warning}", fg=typer.colors.YELLOW)


def _read_image(reader: ImageReader, row: dict[str, Any]) -> NDArray[np.uint8]:
    """The pixels of an image, whose bytes must be those of which its index has the SHA-256."""
    from fakeforensics.images.codec import decode

    return decode(reader.read_row(row))


if __name__ == "__main__":
    run_command(main, "splits")
