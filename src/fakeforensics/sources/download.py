"""Downloads data sets from huggingface.co, verifies them with the hub's SHA-256 and unpacks them."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from fakeforensics.errors import UserError
from fakeforensics.files import scratch_directory, sha256_file
from fakeforensics.sources.base import Archive, CountCheck, DatasetAdapter
from fakeforensics.sources.registry import adapter_class

SEVEN_ZIP = ("7zz", "7z", "7za")
Report = Callable[[str], None]


def instructions(layout: str) -> str:
    """How to get a data set that this command does not download, and how its files must be arranged."""
    tree, obtain = adapter_class(layout).instructions
    return (
        f"{layout} cannot be downloaded with this command:\n"
        f"1. {obtain}.\n"
        "2. Arrange the files like this:\n     " + tree.replace("\n", "\n     ") + "\n"
        f"3. Add it to params.yaml: sources: {{{layout}: {{layout: {layout}, root: …}}}}\n"
        f"4. Check it: fakeforensics data check {layout}"
    )


def fetch(
    adapter: DatasetAdapter,
    parts: Sequence[str],
    report: Report,
    *,
    keep: bool = False,
    endpoint: str | None = None,
) -> None:
    """Download, verify and unpack parts of a data set. A part that is already complete is skipped.

    Args:
        adapter: The data set's adapter; its root is created.
        parts: Names of its archives.
        report: Receives progress messages.
        keep: Whether to keep the archives after unpacking.
        endpoint: The hub's address; by default huggingface.co, or the environment variable HF_ENDPOINT.

    Raises:
        UserError: If a download fails, has another SHA-256, is damaged or lacks images.
    """
    for archive in adapter.archives:
        if archive.part in parts:
            if _unmet(adapter, archive):
                _fetch_archive(adapter, archive, report, keep, endpoint)
            report(f"{archive.part}: complete")


def _fetch_archive(
    adapter: DatasetAdapter, archive: Archive, report: Report, keep: bool, endpoint: str | None
) -> None:
    if archive.inner:
        find_7zip()  # fails before gigabytes are downloaded
    store = adapter.root / ".downloads"
    files = download(adapter.repository, archive.files, store, report, endpoint=endpoint)
    report(f"{archive.part}: unpacking")
    packed = files[0]
    if archive.inner:
        unpack_7z(packed, store)
        packed = store / archive.inner
    unpack_zip(packed, adapter.root, archive.folder)
    if unmet := _unmet(adapter, archive):
        raise UserError(
            f"{adapter.root}: the part {archive.part!r} does not hold the expected images",
            found="\n".join(f"{count.name}: {count.found:,} of {count.expected:,}" for count in unmet[:10]),
            fix="the archive on the hub may have changed; compare with docs/data.md",
        )
    if not keep:
        for file in {*files, packed}:
            file.unlink()


def _unmet(adapter: DatasetAdapter, archive: Archive) -> list[CountCheck]:
    """The expected counts of a part that the files on disk do not meet."""
    counts = adapter.expected_counts(adapter.records() if adapter.root.is_dir() else [])
    return [count for count in counts if count.part == archive.part and not count.is_met]


def download(
    repository: str, names: Sequence[str], folder: Path, report: Report, *, endpoint: str | None = None
) -> list[Path]:
    """Download large files of a data set on the hub; files that are already complete are kept.

    A file gets its final name only when it has the SHA-256 that the hub lists. Until then its bytes are in a
    file with the suffix `.part`, from which the next call resumes.

    Args:
        repository: The data set's name on the hub, `<owner>/<name>`.
        names: Paths in the repository.
        folder: The folder for the files.
        report: Receives progress messages.
        endpoint: The hub's address, as for `fetch`.

    Returns:
        The paths of the files.

    Raises:
        UserError: If the hub refuses, the connection keeps breaking, or a file has another SHA-256.
    """
    try:
        from huggingface_hub import HfApi, RepoFile, hf_hub_url
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
    except ModuleNotFoundError as missing:
        raise UserError(
            f"downloading needs the package {missing.name}, which is not installed",
            fix="make install, or pip install 'fake-forensics[data]'",
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    try:
        listed = HfApi(endpoint=endpoint).get_paths_info(repository, list(names), repo_type="dataset")
        known = {file.path: file.lfs for file in listed if isinstance(file, RepoFile) and file.lfs}
        for name in names:
            if name not in known:
                raise UserError(
                    f"the data set {repository} on the hub has no large file {name!r}",
                    found=", ".join(known) or "none of the files",
                    fix="the file may have moved: open the data set's page on huggingface.co",
                )
            target = folder / Path(name).name
            if not target.is_file() or sha256_file(target) != known[name].sha256:
                report(f"{name}: downloading {known[name].size / 1e9:.2f} GB")
                url = hf_hub_url(repository, name, repo_type="dataset", endpoint=endpoint)
                _download_one(url, target, known[name].size, known[name].sha256)
    except (HTTPError, OSError) as error:
        status = getattr(getattr(error, "response", None), "status_code", 0)
        is_refusal = 400 <= status < 500 and status not in (408, 429)  # these two are temporary
        raise UserError(
            f"{repository}: the hub refused the download"
            if is_refusal
            else f"{repository}: the download was interrupted",
            found=str(error) or type(error).__name__,
            fix="open the data set's page on huggingface.co: it may have moved, or require a login"
            if is_refusal
            else f"run the command again to resume; the bytes downloaded so far are kept in {folder}",
        ) from None
    return [folder / Path(name).name for name in names]


def _download_one(url: str, target: Path, size: int, sha256: str) -> None:
    # An interrupted hf_hub_download deletes its bytes. http_get, which it calls, can resume.
    from huggingface_hub.file_download import http_get

    # The hash in the name prevents resuming from the bytes of an older version of the file.
    part = target.with_name(f"{target.name}.{sha256[:12]}.part")
    for old in target.parent.glob(f"{target.name}.*.part"):
        if old != part:
            old.unlink()
    with part.open("ab") as out:
        http_get(url, out, resume_size=out.tell(), expected_size=size, displayed_filename=target.name)
    if (found := sha256_file(part)) != sha256:
        part.unlink()
        raise UserError(
            f"{target.name}: the download is damaged and was removed",
            expected=f"SHA-256 {sha256}, which the hub lists for this file",
            found=found,
            fix="run the command again; if it fails again, a proxy may be changing files on the way",
        )
    part.replace(target)


def unpack_zip(archive: Path, root: Path, folder: str) -> None:
    """Unpack a zip archive into `root/folder`. A top folder with that name in the archive is skipped.

    The files are unpacked into a temporary folder, and moved only if the checksums of all of them are right.

    Raises:
        UserError: If the archive is damaged. It is removed.
    """
    try:
        with scratch_directory(root) as staging:
            with zipfile.ZipFile(archive) as packed:
                members = [name for name in packed.namelist() if not name.startswith("__MACOSX/")]
                packed.extractall(staging, members)
            tops = {PurePosixPath(name).parts[0] for name in members}
            content = staging / folder if folder and tops == {folder} else staging
            for file in sorted(path for path in content.rglob("*") if path.is_file()):
                place = root / folder / file.relative_to(content)
                place.parent.mkdir(parents=True, exist_ok=True)
                file.replace(place)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        archive.unlink()
        raise UserError(
            f"{archive}: the archive was damaged, and was removed",
            found=str(error),
            fix="run the command again to download it again",
        ) from None


def find_7zip() -> str:
    """The path of the 7-Zip program.

    Raises:
        UserError: If it is not installed.
    """
    program = next((found for name in SEVEN_ZIP if (found := shutil.which(name))), None)
    if program is None:
        raise UserError(
            "the archive is packed with 7-Zip, which is not installed",
            found="none of " + ", ".join(SEVEN_ZIP) + " on the PATH",
            fix="install it (Debian and Ubuntu: apt install 7zip; conda: p7zip) and run the command again",
        )
    return program


def unpack_7z(first_volume: Path, out: Path) -> None:
    """Unpack a 7z archive, given its first volume or its only file.

    Raises:
        UserError: If 7-Zip is not installed or cannot unpack it.
    """
    done = subprocess.run(
        [find_7zip(), "x", "-y", f"-o{out}", str(first_volume)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise UserError(
            f"{first_volume}: 7-Zip cannot unpack the archive",
            found=(done.stderr or done.stdout)[-400:].strip(),
            fix="free disk space if it is full; otherwise remove the volumes and run the command again",
        )
