"""Which packages there are, and which of them is used if none is named."""

from __future__ import annotations

from pathlib import Path

from fakeforensics.errors import UserError
from fakeforensics.inference.package import Package
from fakeforensics.models.card import CARD, MADE_AGAIN
from fakeforensics.sums import SUMS, check_sums, read_sums

PACKAGES = Path("packages")


def find_packages(root: Path = PACKAGES) -> list[Package]:
    """The packages below `root`, sorted by folder, without placeholders of detectors that did not run.

    A package whose card is lost is among them if its list of files names the card, so that whoever opens it
    learns which file is missing.
    """
    folders = {path.parent for path in root.glob(f"**/{CARD}")}
    folders |= {path.parent for path in root.glob(f"**/{SUMS}") if _names_card(path.parent)}
    return [Package(folder) for folder in sorted(folders)]


def _names_card(folder: Path) -> bool:
    try:
        return CARD in read_sums(folder)
    except UserError:  # a list in another form, which came with other files
        return False


def open_package(directory: Path | None = None, root: Path = PACKAGES) -> Package:
    """Open a package, and check its card and that its files are unchanged.

    Args:
        directory: The package's folder. If it is None and there is one package below `root`, that one is
            opened. If there are several detectors of one protocol, the one whose best score has the highest
            average precision on validation is opened; among equals, the last in the list `detectors` of
            params.yaml. Test results do not count, because a model chosen by them looks better than it is.
            Packages of the demo count only if there are no others.
        root: Folder of the packages.

    Raises:
        UserError: If there is no package, there are packages of several protocols, a file was changed, or the
            card is not valid.
    """
    package = Package(_default(root) if directory is None else Path(directory))
    if not package.directory.is_dir():
        raise UserError(
            f"{package.directory}: no such folder", fix="`fakeforensics models` lists the packages"
        )
    _ = package.card
    check_sums(package.directory, MADE_AGAIN)
    return package


def _default(root: Path) -> Path:
    packages = find_packages(root)
    if not packages:
        raise UserError(
            f"{root}/: no packaged model here, in {Path.cwd()}",
            fix="run `dvc repro` to its end in a checkout, or name a package's folder with --model",
        )
    packages = [one for one in packages if not one.is_demo] or packages
    if len(packages) == 1:
        return packages[0].directory
    precision = {one.directory: one.metrics.get("validation", {}).get("ap") for one in packages}
    if len({one.directory.parent for one in packages}) > 1 or not all(precision.values()):
        raise UserError(
            "it is unclear which model to use: there are several protocols, or models without an average "
            "precision on validation",
            found="\n".join(map(str, precision)),
            fix=f"choose one: --model {packages[0].directory}",
        )
    orders = {one.directory: -1 if one.about is None else one.about.order for one in packages}
    return max(precision, key=lambda path: (max(precision[path].values()), orders[path], path))
