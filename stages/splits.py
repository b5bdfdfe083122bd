"""Write a protocol's train, validation and test manifests."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.names import check_name
from stages._command import run_command


def main(
    protocol: Annotated[
        str, typer.Option(callback=check_name, help="Name of a file in protocols/, without its suffix.")
    ],
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
    protocols: Annotated[Path, typer.Option(help="Folder of the protocols.")] = Path("protocols"),
    images: Annotated[Path, typer.Option(help="Folder of the stored images.")] = Path("data/images"),
    out: Annotated[Path, typer.Option(help="Folder for <protocol>/.")] = Path("data/manifests"),
    scratch: Annotated[
        Path, typer.Option(help="Folder of the audit's image hashes, which other protocols reuse.")
    ] = Path(".scratch/hashes"),
) -> None:
    """Write train, val, test, corrupted and reference.parquet, counts.json and audit.json."""
    from fakeforensics.params import load_params
    from fakeforensics.splits.protocol import check_sources, load_protocol

    settings = load_params(params)
    plan = load_protocol(protocol, protocols)
    check_sources(protocol, plan, settings)

    from fakeforensics.files import atomic_directory, write_json, write_text
    from fakeforensics.images.index import check_present, read_decisions, read_undetected
    from fakeforensics.splits.audit import audit
    from fakeforensics.splits.counts import count, table
    from fakeforensics.splits.hashes import HashStore
    from fakeforensics.splits.manifest import build_manifests
    from fakeforensics.splits.rows import Catalog
    from fakeforensics.sums import write_sums

    check_present(images, plan.sources())
    catalog, undetected = Catalog(images, plan.sources()), partial(read_undetected, images)
    manifests = build_manifests(protocol, plan, catalog.frame, settings.splits.seed, undetected)
    counts = count(manifests, {source: read_decisions(images, source) for source in plan.sources()})
    hashes = HashStore(images, scratch)
    findings = audit(
        manifests,
        lambda rows: hashes.of(catalog.located(rows)),
        settings.splits.audit_images,
        settings.splits.seed,
    )
    with atomic_directory(out / protocol) as folder:
        for name in ("train", "val", "test", "corrupted", "reference"):
            catalog.write(folder / f"{name}.parquet", getattr(manifests, name))
        write_json(folder / "counts.json", counts)
        write_json(folder / "audit.json", findings)
        # The report shows titles and test sets: it depends on this copy (docs/decisions/001-dependencies.md).
        write_text(folder / "protocol.yaml", (protocols / f"{protocol}.yaml").read_text(encoding="utf-8"))
        write_sums(folder)
    typer.echo(f"{protocol}: {plan.title}\n{table(counts)}")
    for warning in findings["warnings"]:
        typer.secho(f"warning: {warning}", fg=typer.colors.YELLOW)


if __name__ == "__main__":
    run_command(main, "splits")
