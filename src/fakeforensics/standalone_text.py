"""What `fakeforensics evaluate` prints."""

from __future__ import annotations

from fakeforensics.standalone import NAME, Report


def render(report: Report) -> str:
    """The report as text for a terminal."""
    lines = []
    widest = max(map(len, ["test set", *report.metrics["ap"][NAME]]))
    lines.append(f"{'test set':{widest}}     AP [95% interval]        AUC [95% interval]       EER")
    for name in report.metrics["ap"][NAME]:
        cells = [
            _with_bounds(report.metrics[metric][NAME][name], report.metrics[f"{metric}_interval"][NAME][name])
            for metric in ("ap", "auc")
        ]
        lines.append(f"{name:{widest}}  {cells[0]}  {cells[1]}  {report.metrics['eer'][NAME][name]:.4f}")
    lines += ["", f"{'test set':{widest}}  threshold of highest accuracy"]
    for row in report.thresholds:
        if row["criterion"] == "accuracy":
            label = "oracle (test labels)" if row["chosen_on"] == "oracle" else "validation"
            rates = "  ".join(f"{name} {row[name]:.4f}" for name in ("accuracy", "fpr", "fnr"))
            lines.append(f"{row['test_set']:{widest}}  {label:20}  {row['threshold']:11.5g}  {rates}")
    if report.rules:
        lines += ["", "rule                      sets  mean accuracy  gap closed  worst set"]
        for row in report.rules:
            if row["fake_share"] == "own":
                closed = "–" if row["gap_closed"] is None else f"{100 * row['gap_closed']:.0f}%"
                leaning = "  (leans on the share of fakes)" if row["leans_on_fake_share"] else ""
                lines.append(
                    f"{row['rule']:24}  {row['sets']:>4}  {row['accuracy']:13.4f}  {closed:>10}  "
                    f"{row['worst_set']} {row['worst_accuracy']:.4f}{leaning}"
                )
    if "over_runs" in report.metrics:
        runs = report.metrics["over_runs"]
        lines += ["", f"{'test set':{widest}}  AP over {runs['runs']} runs [95% interval], deviation"]
        lines += [
            f"{name:{widest}}  {_with_bounds(one['mean'], runs['ap_interval'][name])}  {one['deviation']:.4f}"
            for name, one in runs["ap"].items()
        ]
    if report.comparison:
        lines += ["", f"{'test set':{widest}}  AP difference, first minus second, paired"]
        lines += [
            f"{row['test_set']:{widest}}  {row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]"
            f"  p = {row['p_value']:.4f}"
            for row in report.comparison
        ]
    return "\n".join(lines + [""] * bool(report.remarks) + [f"note: {remark}" for remark in report.remarks])


def _with_bounds(value: float, bounds: list[float]) -> str:
    return f"{value:.4f} [{bounds[0]:.4f}, {bounds[1]:.4f}]"
