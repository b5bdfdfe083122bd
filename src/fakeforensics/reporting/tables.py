"""Tables of metrics: average precision, other metrics, accuracy on sets of fakes alone, robustness."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fakeforensics.reporting.blocks import EMPTY, Block, Cell, Row, Table, Text, mark_best, percent
from fakeforensics.reporting.columns import ScoreColumn, headings
from fakeforensics.reporting.results import FAKE_ONLY, ProtocolResults

MEANS = {"mean": "all test sets", "mean_unseen": "the unseen test sets"}
# Metric → corruption → test set, `mean` and `mean_unseen` among them → fraction.
Corrupted = dict[str, dict[str, dict[str, Any]]]

_IN_PERCENT = ("ap", "accuracy")  # other metrics may not be fractions
_CORRUPTIONS = {
    "jpeg": "JPEG, quality {}",
    "blur": "blur, σ {} px",
    "resize": "resized by {}",
    "noise": "noise, σ {}",
}
_INTERVALS = (
    "Below a value: its 95% interval from a bootstrap over groups (a video with its frames, a photograph "
    "with its edits). It shows how much another sample of test images would change the value."
)


def mean(values: Iterable[float | None]) -> float | None:
    """The mean, or None if a value is missing, because a mean over fewer sets is a different quantity."""
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    return sum(value for value in known if value is not None) / len(known)


def published_mean(
    results: ProtocolResults, column: ScoreColumn, kind: str, sets: Sequence[str]
) -> float | None:
    """The published mean in percent.

    Args:
        results: The protocol's results.
        column: The score.
        kind: `mean` or `mean_unseen`.
        sets: The test sets that the mean is over.

    Returns:
        The printed mean, else the mean of the printed values of these sets, else None.
    """
    published = results.reference.ap if results.reference else None
    if published and kind in published.means:
        return published.means[kind].get(column.key)
    return mean(results.published_ap(column, name) for name in sets)


def ap_table(results: ProtocolResults) -> list[Table]:
    """Average precision in percent, a row per test set, a column per score; none without sets to rank."""
    sets = results.ranked
    if not sets:
        return []
    rows = [_ap_row(results, name) for name in sets] + _average_rows(results)
    published = results.reference if any(cell.reference for row in rows for cell in row.cells) else None
    notes = []
    if any(row.unseen for row in rows):
        notes.append("Unseen: this forgery method or this image domain is not in training.")
    if any(cell.interval for row in rows for cell in row.cells):
        notes.append(_INTERVALS)
    if results.counts:
        notes.append("Chance: the percentage of fakes, which is the average precision of a random guess.")
    if published and published.ap and not published.ap.means:
        owner = f"{published.owner[0].upper()}{published.owner[1:]}"
        notes.append(f"{owner} prints no average for this table; the averages shown are over its rows.")
    next_to = f", next to {published.table}" if published else ""
    caption = f"Average precision per test set, in percent{next_to}."
    owner = published.owner if published else ""
    return [Table(caption, "Test set", headings(results.columns), tuple(rows), tuple(notes), owner)]


def _ap_row(results: ProtocolResults, name: str) -> Row:
    cells = [
        percent(results.ap(one, name), results.published_ap(one, name), results.ap_interval(one, name))
        for one in results.columns
    ]
    count = (results.counts or {}).get("test", {}).get(name)
    chance = results.prevalence(name)
    detail = f"{count['real']:,} real, {count['fake']:,} fake" if count else ""
    return Row(
        results.label(name),
        mark_best(cells, chance),
        detail if chance is None else f"{detail}; chance {chance:.1f}",
        unseen=name in results.protocol.unseen,
        mark=results.mark(name),
    )


def _average_rows(results: ProtocolResults) -> list[Row]:
    """Averages over all sets, and over the unseen ones if these are several but not all."""
    sets = results.ranked
    unseen = [name for name in sets if name in results.protocol.unseen]
    averaged: dict[str, tuple[str, Sequence[str]]] = {}
    if len(sets) > 1:
        averaged["mean"] = (f"Average of all {len(sets)}", sets)
    if 1 < len(unseen) < len(sets):
        averaged["mean_unseen"] = (f"Average of the {len(unseen)} unseen", unseen)
    # The stored intervals are about the protocol's own sets, which may lack a published one.
    complete = set(sets) <= set(results.protocol.test)
    return [
        Row(
            title,
            mark_best(
                [
                    percent(
                        mean(results.ap(column, name) for name in chosen),
                        published_mean(results, column, kind, chosen),
                        results.ap_interval(column, kind) if complete else None,
                    )
                    for column in results.columns
                ],
                results.chance(chosen),
            ),
            summary=True,
        )
        for kind, (title, chosen) in averaged.items()
    ]


def video_table(results: ProtocolResults) -> list[Table]:
    """Average precision by video, with and without videos in which no face was found; none without videos."""
    found = {
        (detector, row["score"], row["test_set"]): row
        for detector, details in results.details.items()
        for row in details.get("details", ())
        if row["level"] == "video"
    }
    rows = []
    for name in results.protocol.test:
        of_set = [row for (_, _, test_set), row in found.items() if test_set == name]
        if not of_set:
            continue
        first, lost = of_set[0], of_set[0]["undetected"]
        detail = f"{first['reals']:,} real, {first['fakes']:,} fake"
        if any(lost.values()):
            detail += f"; no face in {lost['reals']} real, {lost['fakes']} fake"
        cells = tuple(_video_cell(found.get((*column.key, name))) for column in results.columns)
        rows.append(Row(results.label(name), cells, detail, unseen=name in results.protocol.unseen))
    note = (
        "A video's score is the mean over its frames. A video without a detected face gets no score: it "
        'counts as real in the values "with undetected", and is left out of the others.'
    )
    caption = "Average precision by video, in percent."
    return [Table(caption, "Test set", headings(results.columns), tuple(rows), (note,))] if rows else []


def _video_cell(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(EMPTY)
    low, high = row["ap_interval"]
    interval = f"{100 * low:.1f} … {100 * high:.1f}"
    if any(row["undetected"].values()):
        interval += f",\n{100 * row['with_undetected']['ap']:.1f} with undetected"
    return Cell(f"{100 * row['ap']:.1f}", interval)


def fake_only_table(results: ProtocolResults) -> list[Table]:
    """The percentage of fakes recognized in each set of fakes alone; none without such sets."""
    rows = []
    for name in results.fake_only:
        cells = [
            percent(results.fake_accuracy(one, name), interval=results.fake_accuracy_interval(one, name))
            for one in results.columns
        ]
        unseen = name in results.protocol.unseen
        rows.append(Row(results.label(name), mark_best(cells), unseen=unseen))
    if not rows:
        return []
    notes = (
        *cut_notes(results.columns),
        "Without real images, average precision, curves and a best threshold are undefined.",
        _INTERVALS,
    )
    caption = "Accuracy on test sets of fakes alone, in percent."
    return [Table(caption, "Test set", headings(results.columns), tuple(rows), notes)]


def cut_notes(columns: Sequence[ScoreColumn]) -> list[str]:
    """Notes on the thresholds that these scores have on test sets of fakes alone."""
    at_half = [one.name for one in columns if one.spec.even_odds is not None]
    others = [one.name for one in columns if one.spec.even_odds is None]
    validation = "at the threshold of the highest accuracy on the model's own validation images"
    notes = [f"{', '.join(at_half)}: at probability 0.5."] if at_half else []
    return notes + ([f"{', '.join(others)} (no probability): {validation}."] if others else [])


def metric_table(results: ProtocolResults) -> list[Table]:
    """All metrics without a separate table, each under a heading; none if there are no such metrics."""
    known = dict.fromkeys(name for metrics in results.metrics.values() for name in metrics)
    others = [metric for metric in known if metric not in ("ap", *FAKE_ONLY)]
    rows = [row for metric in others for row in _metric_rows(results, metric)]
    caption = "Other metrics per test set."
    return [Table(caption, "Test set", headings(results.columns), tuple(rows))] if rows else []


def metric_title(metric: str) -> str:
    """A metric's title, or its key in the metrics' files if the registry does not know it."""
    from fakeforensics.metrics.registry import METRICS  # needs scikit-learn

    return next((one.title or one.label for one in METRICS if one.name == metric), metric)


def _metric_rows(results: ProtocolResults, metric: str) -> list[Row]:
    """The rows of one metric after a heading; none if it has no values by score and test set."""
    titles = {name: results.label(name) for name in results.protocol.test}
    titles |= {"mean": "Average", "mean_unseen": "Average of the unseen"}
    rows = []
    for name, title in titles.items():
        cells = tuple(_metric_cell(results, metric, column, name) for column in results.columns)
        if any(cell.text != EMPTY for cell in cells):
            summary = name not in results.protocol.test
            rows.append(Row(title, cells, unseen=name in results.protocol.unseen, summary=summary))
    return [Row(metric_title(metric)), *rows] if rows else []


def _metric_cell(results: ProtocolResults, metric: str, column: ScoreColumn, name: str) -> Cell:
    value, bounds = results.value(metric, column, name), results.interval(metric, column, name)
    if value is None:
        return Cell(EMPTY)
    return Cell(f"{value:.3f}", "" if bounds is None else f"{bounds[0]:.3f} … {bounds[1]:.3f}")


def corrupted(results: ProtocolResults) -> dict[ScoreColumn, Corrupted]:
    """The metrics of each score on corrupted test images, and by `<metric>_lost` their losses."""
    return {
        column: {
            metric: {row["corruption"]: row["by_set"] for row in rows if row["score"] == column.spec.name}
            for metric, rows in results.robustness.get(column.detector, {}).items()
        }
        for column in results.columns
    }


def corrupted_metrics(found: dict[ScoreColumn, Corrupted]) -> list[str]:
    """The metrics of which any score has values on corrupted images."""
    names = dict.fromkeys(metric for by_metric in found.values() for metric in by_metric)
    return [name for name in names if not name.endswith("_lost") and corruptions(found, [name])]


def corruptions(found: dict[ScoreColumn, Corrupted], metrics: Iterable[str]) -> list[str]:
    """The corruptions under which any score was measured, in the order of the settings."""
    tables = [by_metric.get(metric, {}) for metric in metrics for by_metric in found.values()]
    return list(dict.fromkeys(name for table in tables for name in table))


def corruption_name(corruption: str) -> str:
    """The name of a corruption for readers: `jpeg_30` becomes `JPEG, quality 30`."""
    kind, _, strength = corruption.partition("_")
    return _CORRUPTIONS[kind].format(strength) if kind in _CORRUPTIONS else corruption


def scale_of(metric: str) -> tuple[float, int, str]:
    """How to print a metric: the factor to multiply it by, the number of digits, and the unit."""
    return (100, 1, " in percent") if metric in _IN_PERCENT else (1, 3, "")


def robustness_blocks(results: ProtocolResults) -> list[Block]:
    """A table for each metric and mean; nothing without values on corrupted images."""
    found = corrupted(results)
    pairs = [(metric, mean) for metric in corrupted_metrics(found) for mean in MEANS]
    tables = [table for pair in pairs if (table := _corruption_table(found, *pair))]
    most = results.protocol.corrupted_images
    images = "The test images" if most is None else f"At most {most} images of each class of each test set"
    explanation = (
        f"{images} are scored unchanged, and after compression, blur, resizing and noise. Training and "
        "validation images are never changed, and the threshold stays the same. `robustness.png` in each "
        f"detector's folder in `plots/{results.name}` shows each test set."
    )
    return [Text(explanation), *tables] if tables else []


def _corruption_table(found: dict[ScoreColumn, Corrupted], metric: str, mean: str) -> Table | None:
    rows = []
    for name in corruptions(found, [metric]):
        cells = tuple(_corruption_cell(by_metric, metric, name, mean) for by_metric in found.values())
        rows.append(Row(corruption_name(name), cells))
    if all(cell.text == EMPTY for row in rows for cell in row.cells):
        return None
    paired = "Below a value: 95% interval of the loss compared with clean images, from a paired bootstrap."
    has_losses = any(cell.interval for row in rows for cell in row.cells)
    return Table(
        caption=f"Mean {metric_title(metric)} over {MEANS[mean]}{scale_of(metric)[2]}, by corruption.",
        stub="Test images",
        columns=headings(found),
        rows=tuple(rows),
        notes=(paired,) if has_losses else (),
    )


def _corruption_cell(by_metric: Corrupted, metric: str, corruption: str, mean: str) -> Cell:
    value = by_metric.get(metric, {}).get(corruption, {}).get(mean)
    if value is None:
        return Cell(EMPTY)
    factor, digits, _ = scale_of(metric)
    lost = by_metric.get(f"{metric}_lost", {}).get(corruption, {}).get(mean)
    small = "" if lost is None else f"lost {factor * lost[1]:.{digits}f} … {factor * lost[2]:.{digits}f}"
    return Cell(f"{factor * float(value):.{digits}f}", small)
