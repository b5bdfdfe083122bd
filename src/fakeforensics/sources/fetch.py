"""Getting data sets: downloading the public one, telling the way to the gated ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file, write_json
from fakeforensics.sources.cnn_synth import CNNSynth
from fakeforensics.sources.download import Patience, download
from fakeforensics.sources.known_counts import compare_counts
from fakeforensics.sources.layouts import LAYOUTS
from fakeforensics.sources.unpack import find_7zip, unpack_7z, unpack_zip

ADDRESS = "https://huggingface.co/datasets/sywang/CNNDetection/resolve/main"


@dataclass(frozen=True)
class Archive:
    """One archive of CNN Synth.

    Args:
        part: What the user calls it.
        files: The files to download.
        folder: Where its content belongs below the root; "" for the root itself.
        split: The split of the images in it.
        inner: The zip inside a 7z in volumes, or "".
    """

    part: str
    files: tuple[str, ...]
    folder: str
    split: str
    inner: str = ""


ARCHIVES = (
    Archive("test", ("CNN_synth_testset.zip",), "", "test"),
    Archive("val", ("progan_val.zip",), "progan_val", "val"),
    Archive(
        "train",
        tuple(f"progan_train.7z.{volume:03d}" for volume in range(1, 8)),
        "progan_train",
        "train",
        inner="progan_train.zip",
    ),
)
PATIENCE = Patience()
PARTS = tuple(archive.part for archive in ARCHIVES)


@dataclass(frozen=True)
class Fetcher:
    """Downloads CNN Synth.

    Nobody publishes checksums of the archives. Lengths, the archives' own CRCs and the number of images
    decide whether a download is good; the SHA-256 of the first good one is recorded and later ones must
    match it.

    Args:
        root: The data set's folder.
        checksums: Where SHA-256 values are recorded; belongs into Git.
        report: Is told of progress, in words.
        address: Folder of the archives on the server.
        patience: How to deal with broken connections.
        is_keeping: Keep the archives after unpacking.
    """

    root: Path
    checksums: Path
    report: Callable[[str], None]
    address: str = ADDRESS
    patience: Patience = PATIENCE
    is_keeping: bool = False

    def fetch(self, parts: Sequence[str] = PARTS) -> None:
        """Download, verify and unpack parts of the data set; parts that are complete already are left alone.

        Raises:
            UserError: If a download fails, is damaged, differs from the recorded one or lacks images.
        """
        for archive in ARCHIVES:
            if archive.part in parts:
                if self._lacking(archive):
                    self._fetch_one(archive)
                self.report(f"{archive.part}: complete")

    def _fetch_one(self, archive: Archive) -> None:
        if archive.inner:
            find_7zip()  # before gigabytes are downloaded in vain
        store = self.root / ".downloads"
        files = [store / name for name in archive.files]
        for file in files:
            download(f"{self.address}/{file.name}", file, self.report, self.patience)
        digests = {file.name: sha256_file(file) for file in files}
        self._compare(digests, store)
        self.report(f"{archive.part}: unpacking")
        packed = files[0]
        try:
            if archive.inner:
                unpack_7z(packed, store)
                packed = store / archive.inner
            unpack_zip(packed, self.root, archive.folder)
        except UserError:
            # A damaged file of the right length would be found complete again next time.
            for file in (*files, packed):
                file.unlink(missing_ok=True)
            raise
        lacking = self._lacking(archive)
        if lacking:
            raise UserError(
                f"{self.root}: the {archive.part} part does not hold the images it should",
                found="\n".join(lacking[:10]),
                fix="the archive on the server may have changed; compare with docs/data.md",
            )
        write_json(self.checksums, self._recorded() | digests)
        if not self.is_keeping:
            for file in {*files, packed}:
                file.unlink()

    def _compare(self, digests: dict[str, str], store: Path) -> None:
        recorded = self._recorded()
        for name, digest in digests.items():
            if recorded.get(name, digest) != digest:
                (store / name).unlink()
                raise UserError(
                    f"{name}: not the file that was downloaded before, and removed",
                    expected=f"SHA-256 {recorded[name]}, as recorded in {self.checksums}",
                    found=digest,
                    fix="run the command again; if the file was replaced by its owners, remove its line from "
                    f"{self.checksums}",
                )

    def _recorded(self) -> dict[str, str]:
        if not self.checksums.exists():
            return {}
        recorded: dict[str, str] = json.loads(self.checksums.read_text(encoding="utf-8"))
        return recorded

    def _lacking(self, archive: Archive) -> list[str]:
        """Which counts of a part are not met, in words."""
        records = CNNSynth("cnn_synth", self.root).records() if self.root.is_dir() else []
        wanted = f"progan_{archive.part}, " if archive.split != "test" else ""
        counts = [
            count
            for count in compare_counts("cnn_synth", records)
            if (count.what.startswith(wanted) if wanted else not count.what.startswith("progan_"))
        ]
        return [f"{c.what}: {c.found:,} of {c.expected:,}" for c in counts if not c.is_met]


def steps(layout: str) -> str:
    """How to get a gated data set, and how it must lie on disk.

    Raises:
        UserError: If there is no such layout.
    """
    if layout not in LAYOUTS:
        raise UserError(f"unknown data set {layout!r}", expected="one of " + ", ".join(LAYOUTS))
    chosen = LAYOUTS[layout]
    tree = chosen.tree.replace("\n", "\n     ")
    return (
        f"{layout} is not for this command to download:\n"
        f"1. {chosen.obtain}.\n"
        f"2. Arrange it so:\n     {tree}\n"
        f"3. Name it in params.yaml: sources: {{{layout}: {{layout: {layout}, root: …}}}}\n"
        f"4. Check it: fakeforensics data check {layout}"
    )
