"""Ten ways in which a file between two stages can be damaged."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults.project import remove

Damage = Callable[[Path, random.Random, Path], None]


def truncated(path: Path, rng: random.Random, other: Path) -> None:
    """Only the first part of it is there."""
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def emptied(path: Path, rng: random.Random, other: Path) -> None:
    """It has no bytes."""
    path.write_bytes(b"")


def missing(path: Path, rng: random.Random, other: Path) -> None:
    """It was deleted."""
    path.unlink()


def bit_flipped(path: Path, rng: random.Random, other: Path) -> None:
    """One bit of it is another."""
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def another_stages(path: Path, rng: random.Random, other: Path) -> None:
    """It is the file of another stage."""
    path.write_bytes(other.read_bytes())


def a_folder(path: Path, rng: random.Random, other: Path) -> None:
    """A folder has its name."""
    remove(path)
    path.mkdir()


def noise(path: Path, rng: random.Random, other: Path) -> None:
    """Random bytes, neither of its format nor UTF-8, of the same length."""
    path.write_bytes(b"\xff\xfe" + rng.randbytes(max(0, path.stat().st_size - 2)))


def a_part_missing(path: Path, rng: random.Random, other: Path) -> None:
    """A column, a key or a line is not there."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        _write(path, table.drop_columns([rng.choice(table.column_names)]))
    elif path.suffix == ".json" and isinstance(value := json.loads(path.read_text()), dict) and value:
        del value[rng.choice(list(value))]
        path.write_text(json.dumps(value))
    else:
        lines = path.read_bytes().splitlines(keepends=True)
        del lines[rng.randrange(len(lines))]
        path.write_bytes(b"".join(lines))


def repeated_rows(path: Path, rng: random.Random, other: Path) -> None:
    """Rows, items or lines occur twice."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        _write(path, pa.concat_tables([table, table.slice(0, 1)]))
    elif path.suffix == ".json" and path.read_text().lstrip().startswith("{"):
        text = path.read_text()
        first = next(iter(json.loads(text).items()), ("key", None))
        path.write_text(text.replace("{", "{" + f"{json.dumps(first[0])}: {json.dumps(first[1])},", 1))
    else:
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines, lines[-1]]))


def another_type(path: Path, rng: random.Random, other: Path) -> None:
    """A column or a value has another type: text, where a number stood, or a list."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        place = rng.randrange(table.num_columns)
        values = pa.array([f"{value!s}?" for value in table.column(place).to_pylist()], pa.string())
        if pa.types.is_string(table.schema.types[place]) or pa.types.is_large_string(
            table.schema.types[place]
        ):
            values = pa.array(range(len(table)), pa.int64())
        _write(path, table.set_column(place, table.column_names[place], values))
    elif path.suffix == ".json" and isinstance(value := json.loads(path.read_text()), dict) and value:
        key = rng.choice(list(value))
        value[key] = [value[key]] if not isinstance(value[key], list) else "text"
        path.write_text(json.dumps(value))
    else:
        path.write_text("[1, 2]\n")


DAMAGES: tuple[Damage, ...] = (
    *(truncated, emptied, missing, bit_flipped, another_stages),
    *(a_folder, noise, a_part_missing, repeated_rows, another_type),
)


def _write(path: Path, table: pa.Table) -> None:
    """As `files.write_parquet` does, with the file's own metadata."""
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)
