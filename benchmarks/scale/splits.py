"""The splits stage on 818,000 simulated rows, beside the same stage at an earlier commit.

python -m benchmarks.scale.splits --json splits.json
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

from benchmarks.scale._then_and_now import ROOT, THEN, Cost, checked_out, run
from fakeforensics.files import write_json, write_parquet
from fakeforensics.images.codec import encode_png
from fakeforensics.images.index import DECISIONS_FILE, INDEX_FILE, INDEX_SCHEMA
from fakeforensics.images.shards import ShardWriter
from fakeforensics.sources.cnn_synth import LSUN_CATEGORIES, PER_CATEGORY, TEST_COUNTS
from fakeforensics.yaml12 import read_yaml

IMAGES = 20 * sum(PER_CATEGORY.values()) + sum(map(sum, TEST_COUNTS.values()))  # 818,449
KINDS = ("official", "groups", "persons")
FEW = 20_000  # images that the audit compares


def main(
    rows: Annotated[int, typer.Option(help="Images of each simulated source.")] = IMAGES,
    kind: Annotated[list[str] | None, typer.Option(help="official, groups, persons or audit.")] = None,
    then: Annotated[str, typer.Option(help="The earlier commit; empty for none.")] = THEN,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print the table and write the figures as flat JSON."""
    figures: dict[str, Any] = {"rows": rows}
    with tempfile.TemporaryDirectory() as name, checked_out(then) if then else nullcontext() as code:
        commits = {"now": ROOT} | ({then: code} if code else {})
        for one in kind or (*KINDS, "audit"):
            folder = Path(name) / one
            simulate(folder, "official" if one == "audit" else one, rows, with_images=one == "audit")
            protocols = ("a", "b") if one == "audit" else ("a",)
            for protocol in protocols:
                title = f"{one}, protocol {protocol}" if one == "audit" else one
                costs = {
                    commit: _stage(folder, checkout, protocol, FEW if one == "audit" else 0)
                    for commit, checkout in commits.items()
                }
                figures |= _shown(title, costs)
    if json_file is not None:
        write_json(json_file, figures)


def simulate(folder: Path, kind: str, rows: int, *, with_images: bool = False) -> None:
    """Write `data/images/big` and two protocols.

    Args:
        folder: The project.
        kind: `official`: CNN Synth's names and official splits. `groups`: the same, every image a group
            without a split. `persons`: frames of videos that each show two of 2,000 persons.
        rows: How many images, of the first ones that the kind has.
        with_images: Whether to write shards, of 8 x 8 pixels each.
    """
    index = _persons(rows) if kind == "persons" else _cnn_synth(rows, kind == "official")
    source = folder / "data/images/big"
    source.mkdir(parents=True)
    if with_images:
        index = _with_images(index, source)
    write_parquet(source / INDEX_FILE, index)
    (source / DECISIONS_FILE).write_text("{}", encoding="utf-8")
    (folder / "protocols").mkdir()
    trained = [{"source": "big", "domain": "progan"}]
    every = sorted(set(index["domain"]))
    tests = {"a": every, "b": every[::2]}
    for name, domains in tests.items():
        plan = {
            "title": name,
            "train": trained,
            "test": {d: [{"source": "big", "domain": d}] for d in domains},
        }
        write_json(folder / f"protocols/{name}.yaml", plan)


def _cnn_synth(rows: int, is_official: bool) -> pd.DataFrame:
    names = pd.DataFrame(_paths(), columns=["domain", "split", "raw_path", "label"])
    names = names.sort_values("raw_path", ignore_index=True)  # as the faces stage writes an index
    # Where fewer are wanted, each folder gives its share.
    names = names.iloc[np.linspace(0, len(names) - 1, rows).astype(int)].drop_duplicates("raw_path")
    method = np.where(names["label"] == 0, "real", names["domain"])
    group = "big/" + names["raw_path"].str.removesuffix(".png")
    index: pd.DataFrame = _index(names["raw_path"], group).assign(
        method=method,
        domain=names["domain"].to_numpy(),
        label=names["label"].to_numpy(np.int8),
        own_split=names["split"].to_numpy() if is_official else "",
        # The test sets vary in size, those of the training set do not.
        raw_width=np.where(names["split"] == "test", 256 + 16 * (np.arange(len(names)) % 24), 256).astype(
            np.int32
        ),
    )[INDEX_SCHEMA.names]
    return index


def _paths() -> Iterator[tuple[str, str, str, int]]:
    for split, count in PER_CATEGORY.items():
        for category in LSUN_CATEGORIES:
            for number in range(count):
                label = number % 2
                folder = f"progan_{split}/{category}/{label}_{('real', 'fake')[label]}"
                yield "progan", split, f"{folder}/{number:08d}.png", label
    for domain, counts in TEST_COUNTS.items():
        for label, count in enumerate(counts):
            for number in range(count):
                yield domain, "test", f"{domain}/{label}_{('real', 'fake')[label]}/{number:08d}.png", label


def _persons(rows: int) -> pd.DataFrame:
    """32 frames of each video; of ten videos nine are swaps, which show the persons of two real ones."""
    place = np.arange(rows)
    video = place // 32
    label = (video % 10 > 0).astype(np.int8)
    one, other = video // 10 % 2000, (video // 10 * 7 + video % 10) % 2000
    names = pd.Series([f"v{v:06d}" for v in video])
    index: pd.DataFrame = _index(
        names + ".mp4", "big/" + pd.Series([f"p{n:06d}" for n in video // 10])
    ).assign(
        key=[f"big/v{v:06d}#f{f:06d}" for v, f in zip(video, place % 32, strict=True)],
        method=np.where(label == 0, "real", "swap"),
        domain="progan",
        label=label,
        identities=[f"i{a};i{b}" if swap else f"i{a}" for a, b, swap in zip(one, other, label, strict=True)],
        video="big/" + names,
        frame=(place % 32).astype(np.int32),
        box=_repeated(np.array([10, 20, 110, 120], np.float32), rows),
        landmarks=_repeated(np.arange(10, dtype=np.float32), rows),
        raw_sha256=[_sha256(f"raw{v}") for v in video],
    )[INDEX_SCHEMA.names]
    return index


def _index(raw_path: pd.Series[str], group: pd.Series[str]) -> pd.DataFrame:
    """An index with what all kinds have in common: every column, most with one value."""
    rows = len(raw_path)
    path = raw_path.reset_index(drop=True)
    empty = {name: np.array([""] * rows, dtype=object) for name in INDEX_SCHEMA.names}
    return pd.DataFrame(empty).assign(
        key="big/" + path.str.rpartition(".")[0],
        shard="shard-00000.tar",
        offset=np.arange(rows) * 1024,
        size=512,
        sha256=[_sha256(name) for name in path],
        source="big",
        domain="progan",
        group=group.to_numpy(),
        frame=np.int32(-1),
        track=np.int16(0),
        bridged=False,
        box=_repeated(np.empty(0, np.float32), rows),
        landmarks=_repeated(np.empty(0, np.float32), rows),
        detector_score=np.float32("nan"),
        raw_path=path,
        raw_sha256=[_sha256(f"raw{name}") for name in path],
        raw_format="PNG",
        raw_width=np.int32(256),
        raw_height=np.int32(256),
        jpeg_quality=np.int16(-1),
        raw_pixel_aspect="1:1",
        raw_frame_rate=np.float32(0),
        raw_frames=np.int32(1),
    )


def _repeated(value: NDArray[np.float32], rows: int) -> pd.Series[Any]:
    return pd.Series([value] * rows, dtype=object)


def _with_images(index: pd.DataFrame, folder: Path) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    places, digests = [], []
    with ShardWriter(folder, 256 * 2**20) as writer:
        for key in index["key"]:
            data = encode_png(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            places.append(writer.add(f"{key}.png", data))
            digests.append(hashlib.sha256(data).hexdigest())
    located = pd.DataFrame(places)
    return index.assign(**{str(name): located[name].to_numpy() for name in located}, sha256=digests)


def _sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _stage(folder: Path, code: Path, protocol: str, audit_images: int) -> Cost:
    # Each version reads its own settings; both name the sources and the splits alike.
    settings = read_yaml(code / "params.yaml")
    settings |= {"protocols": [protocol], "sources": {"big": {"layout": "folder", "root": "raw"}}}
    settings["splits"] |= {"audit_images": audit_images}
    write_json(folder / "params.yaml", settings)
    return run(code, "stages.splits", ["--protocol", protocol, "--out", f"out/{code.name}"], folder)


def _shown(title: str, costs: dict[str, Cost]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for commit, cost in costs.items():
        typer.echo(f"{title:24}{commit:10}{cost}")
        figures |= {f"{title} {commit} {name}": value for name, value in vars(cost).items()}
    if len(costs) == 2:
        now, then = costs.values()
        figures[f"{title} time ratio"] = now.cpu_seconds / then.cpu_seconds
        figures[f"{title} memory ratio"] = now.peak_mb / then.peak_mb
        typer.echo(
            f"{'':24}{'ratio':10}{now.seconds / then.seconds:8.2f}  "
            f"{now.cpu_seconds / then.cpu_seconds:9.2f}          {now.peak_mb / then.peak_mb:9.2f}"
        )
    return figures


if __name__ == "__main__":
    typer.run(main)
