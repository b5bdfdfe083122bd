"""The rows of a protocol's sources, as frames that hold each distinct text once to save memory.

A column of text is categorical, with its categories in alphabetical order. A column of hashes holds numbers:
equal hashes have the same number. The functions also accept rows with plain text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fakeforensics.files import atomic_path
from fakeforensics.images.index import INDEX_COLUMNS, INDEX_SCHEMA, read_index_table

_HASHES = ("sha256", "raw_sha256")
# No decision depends on these columns. They are looked up when a manifest is written.
_LOOKED_UP = ("shard", "offset", "size", "bridged", "box", "landmarks", "detector_score")
# Columns that mostly have few texts. They are read as the dictionaries that the file holds.
_REPEATED = (
    *("shard", "source", "method", "domain", "own_split", "identities", "video", "raw_format"),
    *("chroma_sampling", "raw_profile", "raw_transfer", "raw_primaries", "raw_pixel_aspect", "instance"),
)
_SCHEMA = pa.schema(
    (field.name, pa.dictionary(pa.int32(), pa.string()) if field.name in _REPEATED else field.type)
    for field in INDEX_SCHEMA
)
_LOCATION = ("key", "source", "shard", "offset", "size", "raw_path", "sha256")
_BLOCK = 65_536  # rows whose texts are in memory at a time
_TEXT = pd.ArrowDtype(pa.string())
SPLIT = pd.CategoricalDtype(["", "test", "train", "val"])


class Catalog:
    """The indexes of several sources.

    Args:
        images_root: The folder of all sources' images, `data/images`.
        sources: Their names.

    Raises:
        UserError: If an index is missing or damaged.
    """

    def __init__(self, images_root: Path, sources: Iterable[str]) -> None:
        tables = {
            source: read_index_table(images_root, source, _REPEATED).cast(_SCHEMA) for source in sources
        }
        ends = np.cumsum([len(table) for table in tables.values()]).tolist()
        self._spans = dict(zip(tables, zip([0, *ends], ends, strict=False), strict=True))
        # Clearing the references lets Arrow free each text column once it is encoded.
        table = pa.concat_tables(tables.values())
        tables.clear()
        columns: dict[str, Any] = {}
        # Numbering hashes needs the most memory. Done first, the other columns reuse that memory.
        for name in sorted(INDEX_COLUMNS, key=lambda name: name not in _HASHES):
            place, field = INDEX_COLUMNS.index(name), INDEX_SCHEMA.field(name)
            values = table[field.name].combine_chunks()
            if field.name in _HASHES:
                columns[field.name] = values.dictionary_encode().indices.to_numpy()
            elif field.type == pa.string():
                values = alphabetical(values)
                texts = pd.Index(values.dictionary, dtype=_TEXT)
                # The public constructor makes Python objects of all texts, to see that they are distinct.
                kind = pd.CategoricalDtype._from_fastpath(texts)  # type: ignore[attr-defined]
                columns[field.name] = pd.Categorical.from_codes(values.indices.to_numpy(), dtype=kind)
            elif field.name == "detector_score":
                # NaN becomes null, as in manifests that pandas writes.
                values = pa.array(values.to_numpy(zero_copy_only=False), field.type, from_pandas=True)
            elif field.name not in _LOOKED_UP:
                columns[field.name] = values.to_numpy()
            table = table.set_column(place, field.name, values)
            del values
            pa.default_memory_pool().release_unused()
        self._table = table
        columns = {name: columns[name] for name in INDEX_COLUMNS if name not in _LOOKED_UP}
        self._frame = pd.DataFrame(columns, copy=False).assign(row=np.arange(len(table), dtype=np.int32))

    def frame(self, source: str) -> pd.DataFrame:
        """The rows of a source.

        They have the columns of the index that decisions depend on, and `row`, by which the other columns are
        looked up.
        """
        return self._frame.iloc[slice(*self._spans[source])].reset_index(drop=True)

    def located(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Look up where images are stored.

        Args:
            rows: Rows with the column `row`.

        Returns:
            A row per image with key, source, shard, offset, size, raw_path and sha256; texts are plain.
        """
        table = pa.table({name: self._looked_up(name, rows) for name in _LOCATION})
        found: pd.DataFrame = table.to_pandas()
        return found

    def write(self, path: Path, rows: pd.DataFrame) -> None:
        """Write a manifest atomically, with the columns of the index and the other columns of `rows`.

        The column types never change between versions of this code, so that the same rows give the same bytes
        and nothing is trained again.

        Args:
            path: The parquet file.
            rows: The rows, with the column `row`.
        """
        schema = self._schema(rows)
        with (
            atomic_path(path) as temporary,
            pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer,
        ):
            for start in range(0, max(len(rows), 1), _BLOCK):
                writer.write_table(self._block(rows.iloc[start : start + _BLOCK], schema))

    def _schema(self, rows: pd.DataFrame) -> pa.Schema:
        more = [name for name in rows if name not in INDEX_COLUMNS and name != "row"]
        types = {field.name: field.type for field in INDEX_SCHEMA} | {"test_set": pa.string()}
        types = {name: pa.large_string() if kind == pa.string() else kind for name, kind in types.items()}
        types |= {"group": pa.string(), "reference_class": pa.int64()}
        types["split"] = pa.string() if (rows["test_set"] == "").all() else pa.large_string()
        if rows.empty:
            types |= dict.fromkeys(("group", "box", "landmarks", "split"), pa.null())
            types["reference_class"] = pa.float64()
        return pa.schema([(name, types[name]) for name in (*INDEX_COLUMNS, *more)])

    def _block(self, rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
        columns = []
        for field in schema:
            is_own = field.name in rows and field.name not in _HASHES
            values = pa.array(rows[field.name]) if is_own else self._looked_up(field.name, rows)
            columns.append(pa.nulls(0) if pa.types.is_null(field.type) else values.cast(field.type))
        return pa.table(columns, schema=schema)

    def _looked_up(self, name: str, rows: pd.DataFrame) -> pa.ChunkedArray:
        values = self._table[name].take(pa.array(rows["row"].to_numpy()))
        return values.cast(INDEX_SCHEMA.field(name).type)


def alphabetical(values: pa.Array) -> pa.DictionaryArray:
    """Encode texts; the dictionary has distinct texts in alphabetical order."""
    if pa.types.is_string(values.type):
        # An index is sorted by key, and so mostly are its paths and groups: equal texts are one run.
        runs = pc.run_end_encode(values)
        if pc.all(pc.less(runs.values[:-1], runs.values[1:])).as_py():
            codes = np.repeat(np.arange(len(runs.values)), np.diff(runs.run_ends, prepend=0))
            return _dictionary(codes, runs.values)
        del runs
    found = values.dictionary_encode()
    order = pc.sort_indices(found.dictionary)
    places = np.empty(len(order), dtype=np.intp)
    places[order.to_numpy()] = np.arange(len(order))
    return _dictionary(places[found.indices.to_numpy()], found.dictionary.take(order))


def _dictionary(codes: NDArray[np.intp], texts: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(codes.astype(np.min_scalar_type(-len(texts) - 1)), texts)


def stacked(frames: Sequence[pd.DataFrame], columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Concatenate frames, with a new row index from 0.

    This is faster than `pandas.concat`, which hashes all categories of every column as Python objects.

    Args:
        frames: At least one frame.
        columns: The columns to take; by default those of the first frame.
    """
    made: dict[str, Any] = {}
    for name in columns or frames[0].columns:
        parts = [frame[name] for frame in frames]
        kind = parts[0].dtype
        if isinstance(kind, pd.CategoricalDtype) and all(part.dtype is kind for part in parts):
            codes = np.concatenate([part.cat.codes.to_numpy() for part in parts])
            made[name] = pd.Categorical.from_codes(codes, dtype=kind)
        else:
            made[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(made)


def ordered(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Sort rows by columns, with a new row index from 0; equal rows keep their order.

    `sort_values` would make Python objects of all categories.
    """
    order = np.lexsort([numbered(rows[name])[0] for name in reversed(names)])
    return rows.take(order).reset_index(drop=True)


def numbered(
    values: pd.Series[Any], *, is_sorted: bool = True
) -> tuple[NDArray[np.integer[Any]], pd.Index[Any]]:
    """A number for each value, and the distinct values by number, in ascending order if `is_sorted`.

    Some of these values may not occur.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy(), values.cat.categories
    codes, texts = pd.factorize(values, sort=is_sorted)
    return codes, pd.Index(texts)


def text(values: pd.Series[Any]) -> pd.Series[str]:
    """The same values as plain text."""
    return values.astype("str") if isinstance(values.dtype, pd.CategoricalDtype) else values


def as_text(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with plain text in place of categories."""
    return rows.assign(**{str(name): text(rows[name]) for name in rows.select_dtypes("category")})


def joined(rows: pd.DataFrame, names: Sequence[str], separator: str = "/") -> pd.Series[Any]:
    """The texts of several columns, joined by a separator, as a categorical column in alphabetical order."""
    numbers = group_numbers(rows, names)
    kinds = rows[list(names)].iloc[first_places(numbers)]
    words = [separator.join(map(str, kind)) for kind in kinds.itertuples(index=False, name=None)]
    codes, texts = pd.factorize(np.array(words, dtype=object), sort=True)
    return pd.Series(pd.Categorical.from_codes(codes[numbers], pd.Index(texts)), index=rows.index)


def group_numbers(rows: pd.DataFrame, names: Sequence[str]) -> NDArray[np.int64]:
    """A number for each row, from 0 in the order of first occurrence, equal if all of `names` are equal."""
    number, size = np.zeros(len(rows), dtype=np.int64), 1
    for name in names:
        codes, texts = numbered(rows[name], is_sorted=False)
        if size * len(texts) > np.iinfo(np.int64).max:
            number, different = pd.factorize(number)
            size = len(different)
        number, size = number * len(texts) + codes, size * len(texts)
    return pd.factorize(number)[0]


def first_places(numbers: NDArray[np.int64]) -> NDArray[np.intp]:
    """The place of the first row with each number of `group_numbers`: Int["numbers"]."""
    return np.flatnonzero(np.diff(np.maximum.accumulate(numbers), prepend=-1))


def among(values: pd.Series[Any], others: pd.Series[Any]) -> NDArray[np.bool_]:
    """Which values occur in `others`: Bool["values"]."""
    if others.empty:
        return np.zeros(len(values), dtype=bool)
    if isinstance(values.dtype, pd.CategoricalDtype) and values.dtype == others.dtype:
        occurs = np.zeros(len(values.cat.categories), dtype=bool)
        occurs[others.cat.codes.to_numpy()] = True
        return occurs[values.cat.codes.to_numpy()]
    return values.isin(others).to_numpy(dtype=bool)


def of_split(rows: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows with the column `split` set to one split."""
    code = SPLIT.categories.get_loc(split)
    return rows.assign(split=pd.Categorical.from_codes(np.full(len(rows), code, np.int8), dtype=SPLIT))
