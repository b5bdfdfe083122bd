"""Builds the web page from gradio's components, and the texts and pictures of a result."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fakeforensics.inference.app.predictor import UploadResult
from fakeforensics.inference.app.uploads import KEEP_SECONDS
from fakeforensics.inference.inputs import Rgb, UploadLimits
from fakeforensics.inference.model_card import LIMITS, decision_text, model_card
from fakeforensics.inference.package import Package
from fakeforensics.inference.pictures import VERDICT_COLORS, caption
from fakeforensics.inference.predict import Prediction
from fakeforensics.palette import COLORS, series_color
from fakeforensics.thresholds.policy import Decision
from fakeforensics.wording import counted, likely

if TYPE_CHECKING:
    import pandas as pd

_HEADLINES = {
    "fake": "Fake",
    "real": "No forgery found",
    "inconclusive": "Inconclusive",
    None: "Scored, without a verdict",
}
_HEAT = "Next to each crop is its heat map (Grad-CAM): brighter regions contribute more to the score."
_NO_HEAT = "The crops are what the detector saw. This detector has no heat maps."
_STROKE = 3  # pixels
_THRESHOLD, _FAKE_FROM, _REAL_TO = "threshold", "fake from", "real up to"
_LIMITS = {_THRESHOLD: COLORS["ink"], _FAKE_FROM: COLORS["fake"], _REAL_TO: COLORS["real"]}
_SERIES = _LIMITS | {f"person {place}": series_color(place + 1) for place in range(7)}
Predict = Callable[[str], UploadResult]


def build_page(
    gradio: Any, package: Package, limits: UploadLimits, predict: Predict, *, has_heat: bool
) -> Any:
    """Build the page.

    Args:
        gradio: The module gradio.
        package: The model.
        limits: Limits of an upload.
        predict: Scores the upload at a path that gradio gives.
        has_heat: Whether the detector has heat maps.

    Returns:
        A `gradio.Blocks`.
    """
    with gradio.Blocks(
        title="Real or fake?", analytics_enabled=False, delete_cache=(KEEP_SECONDS, KEEP_SECONDS)
    ) as blocks:
        gradio.Markdown(header(package, limits))
        upload = gradio.File(label="Image or video", type="filepath", elem_id="upload", height=150)
        answer = gradio.Markdown(elem_id="answer")
        with gradio.Column(visible=False) as results:
            probability = gradio.Label(label="Probability", show_heading=False)
            with gradio.Row():  # one below the other on a phone
                view = gradio.AnnotatedImage(label="What was scored", height=460, min_width=300)
                crops = gradio.Gallery(label="Crops", columns=2, height=460, min_width=300)
            gradio.Markdown(_HEAT if has_heat else _NO_HEAT)
            timeline = gradio.LinePlot(
                x="frame", y="score", color="series", color_map=_SERIES, label="Score by frame"
            )
            gradio.Markdown("\n".join(["### What a verdict does not mean", *(f"- {one}" for one in LIMITS)]))
        with gradio.Accordion("About this model: training data and test results", open=False):
            gradio.Markdown(model_card(package))

        def respond(name: str | None) -> list[Any]:
            result = predict(name) if name else None
            if result is None or result.prediction.reason is not None:
                text = "" if result is None else failure(result.prediction)
                return [text, gradio.update(visible=False), *[gradio.update()] * 4]
            values = probabilities(result.prediction)
            image, outlines, colors = outlined(result)
            frames = scores_by_frame(result.prediction, package.decision)
            return [
                f"{summary(result.prediction)}{outside(result.prediction)}\n\n{decision_text(package)}\n\n"
                f"{ratio_text(package.decision)}",
                gradio.update(visible=True),
                gradio.update(value=values, visible=bool(values)),
                gradio.update(value=(image, outlines), color_map=colors),
                gradio.update(value=frames, visible=frames is not None),
                gallery(result),
            ]

        outputs = [answer, results, probability, view, timeline, crops]
        upload.upload(respond, upload, outputs, api_name="predict", concurrency_limit=limits.at_once)
        upload.clear(lambda: respond(None), outputs=outputs, api_name=False)
    blocks.queue(max_size=limits.waiting, api_open=False)
    return blocks


def header(package: Package, limits: UploadLimits) -> str:
    """The introduction of the page: what it does, its model and its limits."""
    takes = "each face is scored" if package.crop == "faces" else "the whole image is scored"
    warnings = [*([package.demo_warning] if package.is_demo else []), *package.doubts]
    return (
        f"# Real or fake?\nUpload an image or a short video: {takes}. Model **{package.name}**: "
        f"{package.title}. At most {limits.max_mb} MB and {limits.max_seconds:g} seconds of processing. "
        "Uploads are deleted after they are scored, and the pictures below within "
        f"{KEEP_SECONDS // 60 * 2} minutes." + "".join(f"\n\n> ⚠ {warning}" for warning in warnings)
    )


def failure(prediction: Prediction) -> str:
    """Why a file could not be scored."""
    reason = str(prediction.reason)
    text = f"## Not scored\n{_escaped(reason[:1].upper() + reason[1:])}.{outside(prediction)}"
    return f"{text}\n\nImages: JPEG, PNG, WebP, TIFF, BMP. Videos: MP4, MOV, MKV, WebM."


def outside(prediction: Prediction) -> str:
    """A warning if the file is unlike the training files; otherwise empty."""
    if not prediction.outside:
        return ""
    listed = "\n".join(f"> - {_escaped(str(one))}" for one in prediction.outside)
    return (
        "\n\n> ⚠ **Outside the training data.** The measured error rates do not apply to such a file:\n>\n"
        + listed
    )


def _escaped(text: str) -> str:
    return re.sub(r"([^\w\s])", r"\\\1", text)


def summary(prediction: Prediction) -> str:
    """The verdict, its score, and each face's score if there are several."""
    face, one = prediction.most_suspicious()
    rows = prediction.by_face()
    text = f"{'This video' if prediction.kind == 'video' else 'This image'}: score {one.score:.3g}"
    if one.probability is not None:
        text += f", probability of fake {likely(one.probability)}"
    if one.log10_lr is not None:
        text += f", log10 likelihood ratio {one.log10_lr:+.2f}"
    if prediction.kind == "video":
        text += f", mean over {counted(len({scored.frame for scored in prediction.faces}), 'frame')}"
        if prediction.lost_frames:
            text += f" ({prediction.lost_frames} more without a face)"
    text = f"## {_HEADLINES[one.verdict]}\n\n{text}"
    if len(rows) > 1:
        listed = "\n".join(
            f"- face {number}: {caption(each)}, score {each.score:.3g}" for number, each in rows
        )
        return f"{text}; face {face} is the most suspicious of {len(rows)}:\n\n{listed}"
    return f"{text}."


def ratio_text(decision: Decision | None) -> str:
    """The meaning of the likelihood ratio, or the reason why there is none; empty without a policy."""
    ratio = decision and decision.likelihood_ratio
    if ratio:
        return (
            "The likelihood ratio says how many times more probable such a score is among the validation "
            "set's fakes than among its reals; its log10 is 0 if the score says nothing. The validation "
            f"set supports values from {ratio.lower:.2f} to {ratio.upper:.2f}."
        )
    reason = decision and decision.no_likelihood_ratio
    return f"There is no likelihood ratio: {reason}." if reason else ""


def probabilities(prediction: Prediction) -> dict[str, float]:
    """The probabilities of fake and real; empty if the score has none."""
    probability = prediction.most_suspicious()[1].probability
    return {} if probability is None else {"fake": probability, "real": 1 - probability}


def outlined(result: UploadResult) -> tuple[Rgb, list[tuple[np.ndarray, str]], dict[str, str]]:
    """The frame with the most suspicious face, a labeled outline per face, and the colors of the labels."""
    scores: dict[int, float] = {}
    for one in result.prediction.faces:
        scores[one.frame] = max(one.assessment.score, scores.get(one.frame, one.assessment.score))
    view = max(result.views, key=lambda view: scores[view.frame])
    height, width = view.pixels.shape[:2]
    outlines, colors = [], {}
    for one in result.prediction.faces:
        if one.frame != view.frame:
            continue
        box = [max(0, round(side * view.scale)) for side in one.crop.box] or [0, 0, width, height]
        left, top, right, bottom = box
        mask = np.zeros((height, width))
        mask[top:bottom, left:right] = 1
        mask[top + _STROKE : bottom - _STROKE, left + _STROKE : right - _STROKE] = 0
        label = f"face {one.crop.face}: {one.assessment.verdict or 'no verdict'}"
        outlines.append((mask, label))
        colors[label] = VERDICT_COLORS[one.assessment.verdict]
    return view.pixels, outlines, colors


def gallery(result: UploadResult) -> list[tuple[Rgb, str]]:
    """The crop of each explained face and its heat map, if there is one, with captions."""
    tiles = []
    for face, crop, heat in result.explained:
        name = f"face {face.crop.face}" if face.frame < 0 else f"frame {face.frame}"
        tiles.append((crop, f"{name}: {caption(face.assessment)}"))
        if heat is not None:
            tiles.append((heat, "heat map"))
    return tiles


def scores_by_frame(prediction: Prediction, decision: Decision | None) -> pd.DataFrame | None:
    """The scores of each person over a video's frames, and the thresholds; None for a still."""
    if prediction.kind == "image":
        return None
    import pandas as pd

    rows = [(one.frame, one.assessment.score, f"person {one.crop.face}") for one in prediction.faces]
    if decision is not None:
        ends = sorted({min(rows)[0], max(rows)[0]})
        limits = {_THRESHOLD: decision.threshold}
        if (cut := decision.cut) is not None:
            both = {_FAKE_FROM: cut.fake_from, _REAL_TO: cut.real_to}
            limits = {name: at for name, at in both.items() if at is not None}
        rows += [(frame, at, name) for name, at in limits.items() for frame in ends]
    return pd.DataFrame(rows, columns=["frame", "score", "series"])
