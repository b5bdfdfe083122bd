"""The rows of a protocol's sources, as frames that hold each distinct text once to save memory.

A column of text is categorical, with its categories in alphabetical order. A column of hashes holds numbers:
equal hashes have the same number. The functions also accept rows with plain text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
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
_LOCATION = ("key", "source", "shard", "offset", "size", "raw_path", "sha256")
_BLOCK = 65_536  # rows whose texts are in memory at a time
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
        tables = {source: read_index_table(images_root, source).cast(INDEX_SCHEMA) for source in sources}
        ends = np.cumsum([len(table) for table in tables.values()]).tolist()
        self._spans = dict(zip(tables, zip([0, *ends], ends, strict=False), strict=True))
        # Clearing the references lets Arrow free each text column once it is encoded.
        table = pa.concat_tables(tables.values())
        tables.clear()
        self._codes: dict[str, NDArray[np.integer[Any]]] = {}
        self._texts: dict[str, pa.Array] = {}
        for field in INDEX_SCHEMA:
            if field.type == pa.string():
                self._codes[field.name], self._texts[field.name] = _encoded(
                    table[field.name], is_sorted=field.name not in _HASHES
                )
                table = table.drop_columns([field.name])
        # NaN becomes null, as in manifests that pandas writes.
        scores = pa.array(table["detector_score"].to_numpy(), pa.float32(), from_pandas=True)
        place = table.column_names.index("detector_score")
        self._rest: pa.Table = table.set_column(place, "detector_score", scores).combine_chunks()
        pa.default_memory_pool().release_unused()
        self._frame = self._all_rows()

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
        where = rows["row"].to_numpy()
        columns = {name: self._column(name, where) for name in _LOCATION}
        found: pd.DataFrame = pa.table(columns).to_pandas()
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

    def _all_rows(self) -> pd.DataFrame:
        columns: dict[str, Any] = {}
        for name in INDEX_COLUMNS:
            if name in _LOOKED_UP:
                continue
            if name in _HASHES:
                columns[name] = self._codes[name]
            elif name in self._texts:
                texts = pd.Index(self._texts[name].to_pandas())
                # The texts are distinct. The public constructor checks that with a Python object per text and
                # keeps these objects: about 100 MiB for each of three columns with 818,000 rows.
                kind = pd.CategoricalDtype._from_fastpath(texts, ordered=False)  # type: ignore[attr-defined]
                columns[name] = pd.Categorical.from_codes(self._codes[name], dtype=kind)
            else:
                columns[name] = self._rest[name].to_numpy()
        return pd.DataFrame(columns).assign(row=np.arange(len(self._rest), dtype=np.int32))

    def _schema(self, rows: pd.DataFrame) -> pa.Schema:
        more = [name for name in rows if name not in INDEX_COLUMNS and name != "row"]
        types = {field.name: field.type for field in INDEX_SCHEMA}
        types |= {name: pa.large_string() for name in (*self._texts, "test_set")} | {"group": pa.string()}
        types["reference_class"] = pa.int64()
        types["split"] = pa.string() if (rows["test_set"] == "").all() else pa.large_string()
        if rows.empty:
            types |= dict.fromkeys(("group", "box", "landmarks", "split"), pa.null())
            types["reference_class"] = pa.float64()
        return pa.schema([(name, types[name]) for name in (*INDEX_COLUMNS, *more)])

    def _block(self, rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
        where = rows["row"].to_numpy()
        columns = []
        for field in schema:
            is_own = field.name in rows and field.name not in _HASHES
            values = _as_arrow(rows[field.name]) if is_own else self._column(field.name, where)
            columns.append(pa.nulls(0) if pa.types.is_null(field.type) else values.cast(field.type))
        return pa.table(columns, schema=schema)

    def _column(self, name: str, where: NDArray[np.integer[Any]]) -> Any:
        if name in self._texts:
            return self._texts[name].take(pa.array(self._codes[name][where]))
        return self._rest[name].take(pa.array(where))


def _encoded(values: pa.ChunkedArray, *, is_sorted: bool) -> tuple[NDArray[np.integer[Any]], pa.Array]:
    """The number of each text, and the distinct texts.

    Args:
        values: The texts.
        is_sorted: Whether to number the texts in alphabetical order, which takes seconds for hashes.
    """
    encoded = values.dictionary_encode().unify_dictionaries()
    if not encoded.num_chunks:
        return np.empty(0, np.int32), pa.array([], pa.string())
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
    texts = encoded.chunk(0).dictionary
    if is_sorted and len(texts) > 1 and not pc.all(pc.less(texts[:-1], texts[1:])).as_py():
        order = pc.sort_indices(texts)
        places = np.empty(len(texts), codes.dtype)
        places[order.to_numpy()] = np.arange(len(texts))
        codes, texts = places[codes], texts.take(order)
    return codes, texts


def _as_arrow(values: pd.Series[Any]) -> Any:
    if isinstance(values.dtype, pd.CategoricalDtype):
        used, codes = np.unique(values.cat.codes.to_numpy(), return_inverse=True)
        texts = pa.array(values.cat.categories.take(used).astype("str"), pa.string())
        return texts.take(pa.array(codes))
    return pa.array(values, from_pandas=True)


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


def numbered(values: pd.Series[Any]) -> tuple[NDArray[np.integer[Any]], pd.Index[Any]]:
    """A number for each value, and the distinct values in ascending order, by number.

    Some of these values may not occur.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy(), values.cat.categories
    codes, texts = pd.factorize(values, sort=True)
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
    kinds = rows[list(names)].iloc[np.unique(numbers, return_index=True)[1]]
    words = [separator.join(map(str, kind)) for kind in kinds.itertuples(index=False, name=None)]
    codes, texts = pd.factorize(np.array(words, dtype=object), sort=True)
    return pd.Series(pd.Categorical.from_codes(codes[numbers], pd.Index(texts)), index=rows.index)


def group_numbers(rows: pd.DataFrame, names: Sequence[str]) -> NDArray[np.int64]:
    """A number for each row, from 0 in the order of first occurrence, equal if all of `names` are equal."""

    def combined(left: NDArray[np.int64], name: str) -> NDArray[np.int64]:
        codes, texts = numbered(rows[name])
        return pd.factorize(left * max(len(texts), 1) + codes)[0]

    return reduce(combined, names, np.zeros(len(rows), dtype=np.int64))


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
