"""Reads the parquet files between stages, and checks the content of each column before it is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fakeforensics.errors import UserError
from fakeforensics.reading import check_file

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "integer", "number", "flag", "numbers"]
SHOWN = 3  # how many faulty values a message lists


class Column(NamedTuple):
    """What a column must hold.

    No value may be missing, except in a `number` column without `finite`: pandas writes NaN as missing.

    Attributes:
        kind: The type of the values. `number` also accepts integers; `numbers` is a list of numbers per row.
        least: The smallest number that may occur; NaN passes unless `finite`.
        allowed: The values that may occur; empty allows any.
        finite: Whether NaN and infinity are refused.
        filled: Whether an empty text is refused.
        pattern: A regular expression that each text must match.
        needed: Whether the table must have the column.
    """

    kind: Kind
    least: float | None = None
    allowed: Sequence[Any] = ()
    finite: bool = False
    filled: bool = False
    pattern: str = ""
    needed: bool = True


LABEL = Column("integer", allowed=(0, 1))


def read_parquet(
    path: Path,
    what: str,
    columns: Mapping[str, Column],
    fix: str,
    once: Sequence[Sequence[str]] = (),
    only: Sequence[str] | None = None,
    encoded: Sequence[str] = (),
) -> pa.Table:
    """Read a table and check it.

    Args:
        path: The file.
        what: The kind of file, for messages: "a manifest".
        columns: What the columns must hold; other columns are not checked.
        fix: What to do about a damaged file, for messages.
        once: Groups of columns; no two rows may have the same values in all columns of a group.
        only: The columns to read, if the table has them; None reads all.
        encoded: Columns of text to read as dictionaries, which saves memory if few texts fill many rows.

    Raises:
        UserError: If the file is missing or damaged, lacks a column, or holds a forbidden value.
    """
    table = _read(path, what, fix, only, encoded)
    if only is not None:
        columns = {name: column for name, column in columns.items() if name in only}
    check_columns(table, path, what, columns, fix)
    # Duplicates are checked last, because a damaged column cannot identify rows.
    if twice := [problem for names in once for problem in _twice(table, names)]:
        raise UserError(f"{path}: not {what} with valid content", found="\n".join(twice), fix=fix)
    return table


def check_columns(table: pa.Table, path: Path, what: str, columns: Mapping[str, Column], fix: str) -> None:
    """Check columns of a table that was read from `path`. The arguments are those of `read_parquet`.

    Raises:
        UserError: If a column is damaged; the message names each of them, with examples.
    """
    problems = (
        *_missing_columns(table, columns),
        *(
            f"{name}: {problem}"
            for name, column in columns.items()
            if name in table.column_names
            for problem in _problems(table[name], column)
        ),
    )
    if problems:
        raise UserError(f"{path}: not {what} with valid content", found="\n".join(problems), fix=fix)


def _read(path: Path, what: str, fix: str, only: Sequence[str] | None, encoded: Sequence[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_file(path, fix)
    try:
        known = set(pq.read_schema(path).names) if encoded else set()
        few = [name for name in encoded if name in known]
        table = pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=few).read(only)
        table.validate(full=True)  # text that is not UTF-8, offsets out of range
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        raise UserError(
            f"{path}: not a parquet file, or a damaged parquet file", expected=what, found=str(error), fix=fix
        ) from None
    return table


def _missing_columns(table: pa.Table, columns: Mapping[str, Column]) -> Iterable[str]:
    names = [name for name, column in columns.items() if column.needed and name not in table.column_names]
    if names:
        yield f"no column {', '.join(names)}; there are {', '.join(table.column_names) or 'none'}"


def _problems(values: pa.ChunkedArray, column: Column) -> Iterable[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(values):  # pandas may give a column without values any type
        return
    if pa.types.is_dictionary(values.type):
        texts = pa.chunked_array([chunk.dictionary for chunk in values.chunks])
        if not values.null_count and not any(_problems(texts, column)):
            return
        values = values.cast(values.type.value_type)
    if not _is_of_kind(values.type, column.kind):
        yield f"{values.type}, where {_words(column)} is expected"
        return
    if values.null_count and (column.kind != "number" or column.finite):
        yield f"{values.null_count} values are missing"
        return
    bad: dict[str, Any] = {}
    if column.allowed:
        known = pa.array(column.allowed, type=values.type)
        bad[f"only {' and '.join(map(repr, column.allowed))} may occur"] = pc.invert(
            pc.is_in(values, value_set=known)
        )
    if column.least is not None:
        bad[f"the least that may occur is {column.least:g}"] = pc.less(values, column.least)
    if column.finite and pa.types.is_floating(values.type):
        bad["not finite"] = pc.invert(pc.is_finite(values))
    if column.pattern:
        bad[f"not of the form {column.pattern}"] = pc.invert(pc.match_substring_regex(values, column.pattern))
    if column.filled:
        bad["empty"] = pc.equal(values, "")
    for rule, rows in bad.items():
        if count := pc.sum(rows).as_py():
            shown = values.filter(rows).unique()[:SHOWN].to_pylist()
            yield f"{', '.join(map(repr, shown))} in {count} of {len(values)} rows: {rule}"


def _is_of_kind(found: pa.DataType, kind: Kind) -> bool:
    import pyarrow as pa

    if kind == "numbers":
        is_list = pa.types.is_list(found) or pa.types.is_large_list(found)
        # If all lists are empty, pandas writes them without a value type.
        return is_list and (pa.types.is_null(found.value_type) or _is_of_kind(found.value_type, "number"))
    if kind == "text":
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
    if kind == "flag":
        return bool(pa.types.is_boolean(found))
    is_integer = bool(pa.types.is_integer(found))
    return is_integer or (kind == "number" and bool(pa.types.is_floating(found)))


def _words(column: Column) -> str:
    return {"numbers": "a list of numbers", "integer": "an integer"}.get(column.kind, f"a {column.kind}")


def _twice(table: pa.Table, names: Sequence[str]) -> Iterable[str]:
    import pyarrow.compute as pc

    if len(names) == 1 and pc.all(pc.less(table[names[0]][:-1], table[names[0]][1:])).as_py():
        return  # an index is sorted
    rows = table.select(list(names)).to_pandas()
    if (twice := rows.duplicated()).any():
        first = ", ".join(f"{name} {value!r}" for name, value in rows[twice].iloc[0].items())
        yield f"{int(twice.sum())} rows occur twice, such as {first}"
