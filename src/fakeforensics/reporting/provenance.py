"""The background of the results: class counts, the audit of the images, and the models' cards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fakeforensics.reporting.blocks import EMPTY, Block, Cell, Column, Row, Table, Text
from fakeforensics.reporting.results import ProtocolResults
from fakeforensics.wording import percent

_LONGEST = 64  # the most characters of a setting's value that are shown
_SPLITS = {"train": "training", "val": "validation", "test": "test"}
_ALWAYS_SHOWN = ("format", "size")
_NONE = {"", "-1", "0.0"}  # the audit's values for files without the property
_OTHERS = "others"
_SHOWN = 3  # the most values of a property that are shown
_APART = 0.05  # a fake class that differs in a larger share of its files is set in bold

Formats = dict[str, dict[str, Any]]


def count_blocks(results: ProtocolResults) -> list[Block]:
    """Class counts per split, the numbers of dropped images, and the overlap of identities."""
    counts = results.counts
    if counts is None:
        return [Text(f"No counts: `data/manifests/{results.name}/counts.json` is missing.", "warning")]
    rows = [_count_row("Training", counts["train"]), _count_row("Validation", counts["val"])]
    for name, count in counts["test"].items():
        unseen = name in results.protocol.unseen
        rows.append(_count_row(f"Test: {results.label(name)}", count, unseen))
    columns = (Column("Real"), Column("Fake"), Column("By method", numeric=False))
    repeated = "Training and validation take each real image once for every forgery method of its domain."
    notes = (repeated,) if results.protocol.reals == "repeated" else ()
    table = Table("Images per class and split.", "Split", columns, tuple(rows), notes)
    return [table, *(Text(remark, "note") for remark in _remarks(counts))]


def _count_row(title: str, count: dict[str, Any], unseen: bool = False) -> Row:
    methods = ", ".join(f"{method} {n:,}" for method, n in count.get("methods", {}).items())
    return Row(title, (Cell(f"{count['real']:,}"), Cell(f"{count['fake']:,}"), Cell(methods)), unseen=unseen)


def _remarks(counts: dict[str, Any]) -> Iterator[str]:
    for source, reasons in counts.get("dropped", {}).items():
        if dropped := "; ".join(f"{n:,} ({reason})" for reason, n in reasons.items() if n):
            yield f"Left out of {source}: {dropped}."
    for name, n in counts.get("subsampled", {}).items():
        yield f"{name} was sub-sampled from {n:,} images."
    for source, people in counts.get("identity_overlap", {}).items():
        yield (
            f"{source}: of the {people['test']} identities in test videos, {people['train_test']} are also "
            f"in training videos and {people['val_test']} in validation videos."
        )
    for source, leaks in counts.get("leaks", {}).items():
        if leaks["test_related"] or leaks["persons_train_val"]:
            yield (
                f"{source} is split by video: {leaks['test_related']:,} of {leaks['test']:,} test videos "
                "have a relative in training or validation. Training and validation share "
                f"{leaks['persons_train_val']} persons."
            )


def leak_table(everything: Sequence[ProtocolResults]) -> list[Table]:
    """The persons and relatives that each protocol has in two splits; none if no source names persons."""
    rows = [
        row
        for results in everything
        for source, people in (results.counts or {}).get("identity_overlap", {}).items()
        for row in (_leak_row(results, results.counts or {}, source, people),)
    ]
    columns = (
        Column("Split by", numeric=False),
        Column("Persons in training and validation"),
        Column("Persons in training and test"),
        Column("Test videos with a relative"),
        Column("Real relatives"),
        Column("Fake relatives"),
        Column("Images left out"),
    )
    notes = (
        "Split by person: training and validation share no person, and no relative of an official test video "
        "is used. Split by video: videos are assigned to splits regardless of the persons that they show, as "
        "the thesis's counts imply. These test videos are then easier than unknown ones.",
        "A relative of a test video is its original, or another fake made from the same original, in "
        "training or validation. The official list shares persons with the other videos in any case.",
    )
    caption = "What training and validation share with each other and with the official test videos."
    return [Table(caption, "Protocol", columns, tuple(rows), notes)] if rows else []


def _leak_row(results: ProtocolResults, counts: dict[str, Any], source: str, people: dict[str, int]) -> Row:
    found = counts.get("leaks", {}).get(source, {})  # absent if split by person, which allows no such leaks
    tested = f"{found['test_related']:,} of {found['test']:,}" if found else "0"
    left_out = sum(counts.get("dropped", {}).get(source, {}).values())
    numbers = [
        f"{found.get('persons_train_val', 0):,}",
        f"{people['train_test']:,} of {people['test']:,}",
        tested,
        f"{found.get('real_relatives', 0):,}",
        f"{found.get('fake_relatives', 0):,}",
        f"{left_out:,}",
    ]
    alarms = (0, 2, 3, 4)
    cells = [Cell(text, alarm=place in alarms and text != "0") for place, text in enumerate(numbers)]
    by = Cell("video" if found else "person")
    return Row(results.name, (by, *cells), source, link=results.page)


def audit_blocks(results: ProtocolResults) -> list[Block]:
    """Warnings, format bias, the formats of each class, and duplicates; nothing without an audit."""
    audit = results.audit()
    if audit is None:
        return []
    blocks: list[Block] = [
        *_bias_warnings(results, audit["format_bias"]),
        _bias_table(results, audit["format_bias"]),
        *_property_tables(results, audit["format_bias"]),
        format_table(audit["formats"]),
        _duplicate_table(audit["copies"]),
    ]
    near = audit["copies"].get("near_across_splits")
    if near and near["pairs"]:
        warning = (
            f"{near['pairs']:,} pairs of images in different splits have similar perceptual hashes. If they "
            "show the same picture, the test is easier than it appears."
        )
        blocks += [Text(warning, "warning"), _pair_table(near)]
    return blocks


def _bias_warnings(results: ProtocolResults, biases: dict[str, dict[str, Any]]) -> list[Text]:
    return [
        Text(
            f"The coding of the files alone separates real from fake in {where}: {_evidence(bias)}. "
            "A detector may learn that instead of the forgery. "
            + "; ".join(bias["telling"] or ["Only a combination of properties reveals it"])
            + ".",
            "warning",
        )
        for name, bias in biases.items()
        for where in ("the training images" if name == "train" else results.label(name),)
        if bias["is_biased"]
    ]


def _evidence(bias: dict[str, Any]) -> str:
    if bias["auc"] is None:
        return f"{bias['real']} real and {bias['fake']} fake groups, too few for a test"
    return f"`p = {bias['p_value']:g}`, AUC {bias['auc']:.2f}"


def _bias_table(results: ProtocolResults, biases: dict[str, dict[str, Any]]) -> Table:
    rows = tuple(
        Row(
            "Training" if name == "train" else results.label(name),
            (
                Cell(f"{bias['real']:,}"),
                Cell(f"{bias['fake']:,}"),
                Cell(EMPTY if bias["auc"] is None else f"{bias['auc']:.2f}"),
                Cell(EMPTY if bias["p_value"] is None else f"{bias['p_value']:g}", alarm=bias["is_biased"]),
            ),
            unseen=name in results.protocol.unseen,
        )
        for name, bias in biases.items()
    )
    notes = [
        "AUC: area under the ROC curve of a cross-validated classifier that sees the coding of a file but no "
        "pixels; 0.5 is chance. p-value: the share of random labelings that it fits at least as well. "
        "Marked: the p-value is below 0.01, or a single property separates real from fake. The files of a "
        "class in one group (a video, or a photograph with its edits) count as one."
    ]
    if any(bias["auc"] is None for bias in biases.values()):
        notes.append(f"{EMPTY}: fewer than ten groups of a class, too few to test.")
    if untested := [results.label(name) for name in results.protocol.test if name not in biases]:
        notes.append(f"Not tested, because all images are fake: {', '.join(untested)}.")
    columns = (Column("Real files"), Column("Fake files"), Column("AUC"), Column("p-value"))
    return Table(
        "Does the coding of the files alone separate real from fake?", "Images", columns, rows, tuple(notes)
    )


def _property_tables(results: ProtocolResults, biases: dict[str, dict[str, Any]]) -> list[Block]:
    """The p-value of each property in each set of images, and the methods that a property gives away."""
    names = dict.fromkeys(name for bias in biases.values() for name in bias["properties"])
    sets = [name for name, bias in biases.items() if bias["properties"] or bias["auc"] is not None]
    if not names or not sets:
        return []

    def cell(bias: dict[str, Any], name: str) -> Cell:
        test = bias["properties"].get(name)
        if test is None:
            return Cell(EMPTY)
        return Cell(f"{test['p_value']:g}", alarm=test["is_telling"])

    rows = tuple(Row(name, tuple(cell(biases[one], name) for one in sets)) for name in names)
    columns = tuple(Column("Training" if one == "train" else results.label(one)) for one in sets)
    notes = [
        "p-value of a permutation test: the share of random labelings in which real and fake files differ as "
        "much in that property. Marked: below 0.01 after Holm's correction for the properties of a column, "
        "or, with fewer than ten groups of a class, one value in all real files and another in all fakes. "
        f"{EMPTY}: the same in all files."
    ]
    notes += [
        f"{'Training' if one == 'train' else results.label(one)}: {method} differs from the real files in "
        + ", ".join(properties)
        + "."
        for one in sets
        for method, properties in biases[one]["methods"].items()
    ]
    return [Table("Which file properties separate real from fake?", "Property", columns, rows, tuple(notes))]


def _duplicate_table(found: dict[str, Any]) -> Table:
    within = found["identical_within_split"]
    rows = [
        Row(f"Identical files within {title}", (Cell(f"{within[split]:,}"), Cell("")))
        for split, title in _SPLITS.items()
    ]
    rows.append(Row("Identical files across splits", (Cell("0"), Cell("the splits stage rejects them"))))
    near = found.get("near_across_splits")
    count = Cell(EMPTY) if near is None else Cell(f"{near['pairs']:,}", alarm=near["pairs"] > 0)
    how = f"pairs among {near['checked']:,} of {near['of']:,} images" if near else "not searched for"
    rows.append(Row("Near-duplicates across splits", (count, Cell(how))))
    columns = (Column("Images"), Column("Remark", numeric=False))
    return Table("Duplicate images.", "Duplicates", columns, tuple(rows))


def _pair_table(near: dict[str, Any]) -> Table:
    columns = (Column("Looks like", numeric=False), Column("Bits that differ"))
    rows = tuple(
        Row(pair["one"], (Cell(pair["other"]), Cell(str(pair["bits"])))) for pair in near["examples"]
    )
    shown = f", the first {len(rows)}" if len(rows) < near["pairs"] else ""
    return Table(f"Near-duplicates across splits{shown}.", "Image", columns, rows)


def format_table(formats: Formats) -> Table:
    """The coding of the files of each class: a row per source, domain and method, real images first.

    Args:
        formats: The audit's `formats`.
    """

    def place(name: str) -> tuple[str, int, str]:
        return name.rpartition("/")[0], int(formats[name]["label"]), name

    every = [name for name in next(iter(formats.values()), {}) if name not in ("files", "label")]
    shown = [
        name
        for name in every
        if name in _ALWAYS_SHOWN or len({value for one in formats.values() for value in one[name]}) > 1
    ]
    rows = tuple(_format_row(formats, name, shown) for name in sorted(formats, key=place))
    notes = ["A property without a percentage is the same in all files of the class."]
    if left_out := [name for name in every if name not in shown]:
        notes.append(f"The same in all files: {', '.join(left_out)}.")
    if any(cell.best for row in rows for cell in row.cells):
        notes.append(
            "Bold: more than 5% of the files differ from the real images of the same source and domain. The "
            "p-values show whether that is more than chance."
        )
    columns = (Column("Files"), *(Column(_title(name), numeric=False) for name in shown))
    return Table("How the files of each class are encoded.", "Class", columns, rows, tuple(notes))


def _title(name: str) -> str:
    return name[0].upper() + name[1:]


def _format_row(formats: Formats, name: str, shown: list[str]) -> Row:
    mine = formats[name]
    real = formats.get(f"{name.rpartition('/')[0]}/real") if mine["label"] else None
    cells = [
        Cell(_shares(mine[key], mine["files"]), best=real is not None and _apart(mine, real, key) > _APART)
        for key in shown
    ]
    return Row(name.replace("/", " / "), (Cell(f"{mine['files']:,}"), *cells))


def _shares(counts: dict[str, int], files: int) -> str:
    """`95 (88%), 75 (12%)`; a single value without its share."""
    if len(counts) == 1:
        return _property(next(iter(counts)))
    values = sorted((item for item in counts.items() if item[0] != _OTHERS), key=lambda item: -item[1])
    parts = [f"{_property(value)} ({_percent(n, files)})" for value, n in values[:_SHOWN]]
    rest = files - sum(n for _, n in values[:_SHOWN])
    return ", ".join(parts + ([f"others ({_percent(rest, files)})"] if rest else []))


def _property(value: str) -> str:
    return EMPTY if value in _NONE else value.replace("x", " × ")


def _percent(part: int, files: int) -> str:
    share = part / files
    return "<1%" if 0 < share < 0.01 else percent(share, digits=0)


def _apart(one: dict[str, Any], other: dict[str, Any], key: str) -> float:
    """Total variation distance between two classes' values of a property, from 0 to 1."""
    values = {*one[key], *other[key]}
    apart = sum(
        abs(one[key].get(value, 0) / one["files"] - other[key].get(value, 0) / other["files"])
        for value in values
    )
    return float(apart) / 2


def settings_table(results: ProtocolResults) -> list[Table]:
    """The content of the models' cards: a row per setting, a column per model; none without models."""
    cards = {detector: dict(flatten(card)) for detector, card in results.cards.items()}
    names = dict.fromkeys(name for card in cards.values() for name in card)
    rows = tuple(Row(name, tuple(Cell(card.get(name, EMPTY)) for card in cards.values())) for name in names)
    columns = tuple(Column(detector, numeric=False) for detector in cards)
    paths = ", ".join(f"`models/{results.name}/{detector}/model.json`" for detector in cards)
    return [Table(f"The models' cards, from {paths}.", "Setting", columns, rows)] if cards else []


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names with their values as text: `train.betas` → `0.9, 0.999`.

    The items of a list of objects are numbered from 1.
    """
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        value = {str(number): item for number, item in enumerate(value, start=1)}
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, _as_text(value)


def _as_text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        text = ", ".join(_as_text(item) for item in value)
    else:
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
