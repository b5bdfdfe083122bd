"""Writes a detector's model card: its training data, its test results, and the limits of its verdicts."""

from __future__ import annotations

from pathlib import Path

from fakeforensics.inference.assessment import ScoreRule
from fakeforensics.inference.onnx_record import ONNX, RECORD
from fakeforensics.inference.package import ABOUT, Package
from fakeforensics.inference.training_data import TRAINING
from fakeforensics.metrics.proportion import upper_limit
from fakeforensics.metrics.spec import Scale, ScoreSpec
from fakeforensics.models.card import CARD, WEIGHTS, seen
from fakeforensics.thresholds.errors import ERRORS
from fakeforensics.thresholds.policy import DECISION, Adapted, Decision

README = "README.md"
FILES = {
    WEIGHTS: "the weights",
    ONNX: "the network, for ONNX Runtime and others; `predict` and `serve` run on it",
    RECORD: "the hash of model.onnx, or why there is none",
    "model.pt2": "the network, for `torch.export.load`",
    CARD: "how the detector was trained",
    DECISION: "the threshold, how it was chosen, the calibration and the likelihood ratio",
    "metrics.json": "metrics on each test set",
    "details.json": "intervals of the metrics; results by frame and by video",
    "thresholds.json": "what each way to choose a threshold costs",
    "robustness.json": "metrics under compression, blur, resizing and noise",
    ERRORS: "the decision's error rates by forgery method, clean and corrupted",
    TRAINING: "formats, sizes and JPEG qualities of the training images; hashes of their lists",
    ABOUT: "the protocol's title and its unseen test sets",
}
RANGES: dict[Scale, str] = {
    "logit": "any real number",
    "positive": "at least 0",
    "probability": "in [0, 1]",
    "real": "any real number",
}
SUMMARIES = {"mean": "mean over all", "mean_unseen": "mean over unseen"}
LIMITS = (
    "A score is a hint, not proof. Detectors err more often on methods, cameras and codecs that they never "
    "saw than their test sets suggest.",
    "“Real” means that this detector found no trace that it knows. It does not mean that the picture is "
    "genuine, unedited or shows what is claimed.",
    "“Fake” does not say who changed what, or why. Strong compression, filters and photos of screens can "
    "look the same to a detector.",
    "The probability holds for a mixture of real and fake images like the validation set. Where fakes are "
    "rare, most alarms are false.",
    "The likelihood ratio needs no such mixture, but it compares the validation set's fakes with its reals. "
    "On unseen methods it can point the wrong way; its cost Cllr on each test set says whether it helps "
    "(below 1) or misleads (above 1).",
)


def model_card(package: Package, folder: Path | None = None) -> str:
    """The model card in Markdown; if `folder` is given, with a list of its files."""
    present = {} if folder is None else {name: FILES[name] for name in FILES if (folder / name).is_file()}
    listed = "\n".join(f"- `{name}`: {purpose}" for name, purpose in present.items())
    parts = [
        f"# Fake-image detector `{package.name}`",
        *([f"> {package.demo_warning}"] if package.is_demo else []),
        *(f"> **Warning.** {doubt}" for doubt in package.doubts),
        f"{package.title}. The detector is *{package.detector.label}* ({package.detector.title}). It was "
        f"trained on {seen(package.raw_card)}.",
        *(["## Files", listed] if listed else []),
        "## Input and output",
        _usage(package),
        "## Training data",
        training_text(package),
        "## Test results",
        ap_table(package) or "No average precision was measured.",
        "## Decision",
        decision_text(package),
        *(["## Likelihood ratio", likelihood_text(package)] if package.decision else []),
        "## What a verdict does not mean",
        "\n".join(f"- {limit}" for limit in LIMITS),
        "## Versions",
        _versions(package),
    ]
    return "\n\n".join(parts) + "\n"


def training_text(package: Package) -> str:
    """Training images by method, and what training did not see."""
    if not package.knows_training:
        return "Images: not known, because the detector was trained elsewhere."
    listed = ", ".join(f"{count:,} {method}" for method, count in package.training_images().items())
    unseen = () if package.about is None else package.about.unseen
    tested = f" Tested but not seen in training: {', '.join(unseen)}." if unseen else ""
    return f"Images: {listed or 'not recorded'}.{tested}"


def ap_table(package: Package) -> str:
    """Average precision as a Markdown table; empty if none was measured."""
    lines = ["| test set | score | AP (%) | 95% interval | seen in training |", "|---|---|---:|---|---|"]
    for row in package.test_set_ap():
        interval = "" if row.interval is None else f"{row.interval[0]:.2f} – {row.interval[1]:.2f}"
        seen = "" if row.test_set == "mean" else {None: "", True: "no", False: "yes"}[row.unseen]
        name = SUMMARIES.get(row.test_set, row.test_set)
        lines.append(f"| {name} | {row.score} | {row.ap:.2f} | {interval} | {seen} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def decision_text(package: Package) -> str:
    """The rule for the verdict, how its threshold was chosen, and the expected errors."""
    decision = package.decision
    if decision is None:
        return "There is no threshold: the model gives scores and no verdicts."
    rule = ScoreRule(decision, package.scores)
    probability = rule.assess(decision.threshold).probability
    there = "" if probability is None else f", a probability of {100 * probability:.1f}%"
    text = f"Fake from {decision.threshold:.6g} in {score_name(rule.spec)}{there}: {decision.chosen}."
    if decision.adapted is not None:
        text += f" The threshold is for these files alone. {share_text(decision.adapted)}."
    if probability is not None and decision.calibrator is None:
        text += " The probability is not calibrated; its expected error is unknown."
    if decision.cut is not None:
        return f"By {score_name(rule.spec)}: {cut_text(decision)}."
    measured = decision.measured_on
    fakes = 0 if measured is None else measured.fakes
    rates = (
        ("reals called fake", decision.expected_fpr, decision.expected_fpr_upper),
        ("fakes called real", decision.expected_fnr, _upper_limit(decision.expected_fnr, fakes)),
        ("mean error of the probability", decision.expected_calibration_error, None),
    )
    known = [
        f"{name} {100 * rate:.1f}%" + ("" if upper is None else f" (upper limit {100 * upper:.1f}%)")
        for name, rate, upper in rates
        if rate is not None
    ]
    if known:
        text += f" Expected on data like the validation images: {', '.join(known)}."
        text += " Upper limits are one-sided, 95%." if "upper limit" in text else ""
    if measured is not None:
        counts = f"{measured.reals:,} real and {measured.fakes:,} fake images"
        text += f" Measured on {counts} ({measured.images})."
        if not measured.fakes:
            text += " Without fakes nothing could be calibrated, and no rate of missed fakes is known."
    return text


def _upper_limit(rate: float | None, images: int) -> float | None:
    """The upper limit of a rate; None if no image measured it."""
    return None if rate is None or not images else upper_limit(round(rate * images), images)


def share_text(adapted: Adapted) -> str:
    """The estimated share of fakes among the files; if unknown, the rule that chose the threshold."""
    share, assumed = "Share of fakes among the files: unknown", ""
    if adapted.fake_share is not None and adapted.fake_share_interval is not None:
        low, high = (100 * end for end in adapted.fake_share_interval)
        share = (
            f"Share of fakes among the files: about {100 * adapted.fake_share:.0f}%, "
            f"95% interval {low:.1f}% to {high:.1f}%"
        )
        assumed = ". The interval assumes that the detector ranks these fakes well (AUC of at least 0.8)"
    if adapted.fallback:
        share += f"; {adapted.fallback}, so the threshold is the conformal one of the known reals alone"
    return share + assumed


def cut_text(decision: Decision) -> str:
    """The score limits of the verdicts and their error rates; empty if a single threshold decides."""
    cut = decision.cut
    if cut is None:
        return ""
    fake = "never fake" if cut.fake_from is None else f"fake from {cut.fake_from:.4g}"
    real = "never real" if cut.real_to is None else f"real up to {cut.real_to:.4g}"
    if cut.fake_from is not None and cut.real_to is not None and cut.fake_from <= cut.real_to:
        fake, real = f"fake above {cut.real_to:.4g}", f"real below {cut.fake_from:.4g}"
    reals = "validation" if decision.known_reals is None else f"the {decision.known_reals} known"
    return (
        f"{fake}, {real}, otherwise inconclusive: at most {100 * cut.error_rate:g}% of reals like {reals} "
        f"ones are called fake, and {100 * cut.error_rate:g}% of fakes like validation ones real"
    )


def likelihood_text(package: Package) -> str:
    """The meaning of the likelihood ratio, its supported range, and its cost on each set."""
    decision = package.decision
    if decision is None or decision.likelihood_ratio is None:
        reason = (decision and decision.no_likelihood_ratio) or (
            "this package was made before there were any; `dvc repro` makes a new one"
        )
        return f"There is no likelihood ratio: {reason}."
    ratio = decision.likelihood_ratio
    text = (
        "The likelihood ratio (LR) says how many times more probable a score is among fakes than among "
        "reals, both as in the validation set. It is given as log10: 0 says nothing, 1 means ten times. It "
        f"was fitted by {ratio.kind} regression on {ratio.reals:,} groups of real and {ratio.fakes:,} groups "
        "of fake validation images, which support values from"
        f" {ratio.lower:.2f} to {ratio.upper:.2f}; none beyond is given."
    )
    costs = package.metrics.get("cllr", {}).get(decision.score, {})
    if not costs:
        return text
    least = package.metrics.get("cllr_min", {}).get(decision.score, {})
    lines = ["| set | Cllr | Cllr_min |", "|---|---:|---:|"]
    lines += [
        f"| {SUMMARIES.get(name, name)} | {cost:.3f} | {least[name]:.3f} |" for name, cost in costs.items()
    ]
    return (
        f"{text}\n\nCllr is its cost in bits per image: 0 is perfect, 1 is as good as always answering "
        "LR = 1, above 1 the answers do harm. Cllr_min is what remains if the calibration were ideal on that "
        "very set; the difference is the cost of calibration.\n\n" + "\n".join(lines)
    )


def score_name(score: ScoreSpec) -> str:
    """A score's label and title."""
    return f"{score.label}, {score.title}"


def _usage(package: Package) -> str:
    size, faces = package.card.preprocess.get("crop_size"), package.faces
    chip = f"`dlib.get_face_chip(size={faces.size}, padding={faces.padding})`"
    expected = {
        "faces": f"aligned faces: dlib's face detector, its {faces.landmarks}-point landmarks and {chip}, "
        f"then the center {size} x {size} pixels",
        "whole": f"whole images: the center {size} x {size} pixels, without resizing, padded with black if "
        "smaller",
    }
    return (
        f"The detector expects {expected[package.crop]}. Channels are R, G, B. An export takes 8-bit pixels, "
        "batch x 3 x height x width, and normalizes them itself. A higher score means that the image is more "
        "likely fake.\n\n" + "\n".join(_describe(score) for score in package.scores)
    )


def _describe(score: ScoreSpec) -> str:
    text = f"- `{score.column}`: {score_name(score)}, {RANGES[score.scale]}"
    column = score.probability_column
    return f"{text}; `{column}`: its sigmoid, in [0, 1]" if column else text


def _versions(package: Package) -> str:
    versions = package.raw_card.get("versions")
    listed = ", ".join(f"{name} {value}" for name, value in versions.items()) if versions else "not recorded"
    return f"Weights SHA-256 `{package.raw_card['weights_sha256']}`. Trained with {listed}."
