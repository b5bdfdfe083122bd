"""A model's README: what it was trained on, what it can do, and what its answer does not mean."""

from __future__ import annotations

from fakeforensics.inference.facts import (
    DEMO_WARNING,
    Measured,
    is_demo,
    measured,
    score_name,
    title,
    training_images,
    unseen_sets,
)
from fakeforensics.inference.judgement import Policy
from fakeforensics.inference.trained import Trained
from fakeforensics.metrics.spec import Scale, ScoreSpec
from fakeforensics.models.card import Sees

SEES: dict[Sees, str] = {
    "reals": "real images alone",
    "reals+fakes": "real and fake images",
    "reals+reference": "real images and a labeled reference set, and no fake images",
}
RANGES: dict[Scale, str] = {
    "logit": "any real number",
    "positive": "at least 0",
    "probability": "in [0, 1]",
    "real": "any real number",
}
LIMITS = (
    "A score is a hint, not proof. Detectors err more often on methods, cameras and codecs that they never "
    "saw than their test sets suggest.",
    "“Real” means: no trace that this detector knows. It does not mean that the picture is genuine, "
    "unedited or shows what is claimed.",
    "“Fake” does not say who changed what, or why: strong compression, filters and photos of "
    "screens can look like it.",
    "The probability holds for a mixture of reals and fakes like the validation images; where fakes are "
    "rare, most alarms are false.",
)


def model_card(trained: Trained, files: dict[str, str]) -> str:
    """The README in Markdown.

    Args:
        trained: The model.
        files: The files beside it, with what each is.
    """
    parts = [
        f"# Fake-image detector `{trained.name}`",
        *_warning(trained),
        f"{title(trained)}. The detector is *{trained.label}* ({trained.detector.title}). It was trained on "
        f"{SEES[trained.detector.sees]}.",
        *_files(files),
        "## Input and output",
        _usage(trained),
        "## Trained on",
        trained_on(trained),
        "## How good it is",
        ap_table(measured(trained)) or "Not evaluated: no metrics are at hand.",
        "## Decision",
        decision_text(Policy(trained.decision, trained.scores)),
        "## What its answer does not mean",
        "\n".join(f"- {limit}" for limit in LIMITS),
        "## Versions",
        _versions(trained),
    ]
    return "\n\n".join(parts) + "\n"


def trained_on(trained: Trained) -> str:
    """Training images by method, and what was never seen."""
    counts = training_images(trained)
    listed = ", ".join(f"{count:,} {method}" for method, count in counts.items())
    text = f"Images: {listed or 'not recorded'}."
    unseen = unseen_sets(trained)
    if unseen:
        text += f" Never seen in training, but tested: {', '.join(unseen)}."
    return text


def ap_table(rows: list[Measured]) -> str:
    """Average precision as a Markdown table; empty without rows."""
    if not rows:
        return ""
    lines = ["| test set | score | AP (%) | 95 % interval | seen in training |", "|---|---|---:|---|---|"]
    for row in rows:
        interval = "" if row.interval is None else f"{row.interval[0]:.2f} – {row.interval[1]:.2f}"
        seen = {None: "", True: "no", False: "yes"}[row.unseen]
        if row.test_set == "mean":
            seen = ""
        name = {"mean": "mean over all", "mean_unseen": "mean over unseen"}.get(row.test_set, row.test_set)
        lines.append(f"| {name} | {row.score} | {row.ap:.2f} | {interval} | {seen} |")
    return "\n".join(lines)


def decision_text(policy: Policy) -> str:
    """What is called fake, in a sentence or two."""
    decision = policy.decision
    if decision is None:
        return "There is no threshold: the model gives scores, and no verdicts."
    text = (
        f"Fake at or above {decision.threshold:.6g} in {score_name(policy.spec)}. The threshold: "
        f"{decision.chosen}."
    )
    rates = {
        "reals called fake": decision.expected_fpr,
        "fakes called real": decision.expected_fnr,
        "error of the calibration": decision.expected_calibration_error,
    }
    known = [f"{name} {100 * rate:.1f} %" for name, rate in rates.items() if rate is not None]
    if known:
        text += f" Expected on data like the validation images: {', '.join(known)}."
    return text


def _files(files: dict[str, str]) -> list[str]:
    listed = "\n".join(f"- `{name}`: {what}" for name, what in files.items())
    return ["## Files", listed] if files else []


def _warning(trained: Trained) -> list[str]:
    if not is_demo(trained):
        return []
    return [f"> {DEMO_WARNING}"]


def _usage(trained: Trained) -> str:
    preprocess = trained.card.preprocess
    size = preprocess.get("crop_size")
    faces = trained.faces
    chip = f"`dlib.get_face_chip(size={faces.size}, padding={faces.padding})`"
    found = {
        "faces": f"aligned faces: dlib's face detector, its {faces.landmarks}-point landmarks and {chip}, "
        f"then the center {size} x {size} pixels",
        "whole": f"whole images: the center {size} x {size} pixels, without resizing, padded with black if "
        "smaller",
    }
    return (
        f"It expects {found[trained.crop]}. Channels R, G, B; in an export 8-bit (the normalization is "
        "inside), batch x 3 x height x width. It returns the following scores. A higher score means that the "
        "image is more likely fake.\n\n" + "\n".join(_described(score) for score in trained.scores)
    )


def _described(score: ScoreSpec) -> str:
    text = f"- `{score.column}`: {score_name(score)}, {RANGES[score.scale]}"
    return text + (
        f"; `{score.probability_column}`: its sigmoid, in [0, 1]" if score.probability_column else ""
    )


def _versions(trained: Trained) -> str:
    versions = trained.raw_card.get("versions")
    listed = ", ".join(f"{name} {value}" for name, value in versions.items()) if versions else "not recorded"
    return f"Weights SHA-256 `{trained.raw_card['weights_sha256']}`. Trained with {listed}."
