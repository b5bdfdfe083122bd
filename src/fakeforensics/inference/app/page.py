"""The page's parts as HTML. Text from outside is escaped; pictures lie inside, so that no file is kept."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import cv2

from fakeforensics.inference.app.desk import Explained, Reply
from fakeforensics.inference.app.scale import frame_chart, score_scale
from fakeforensics.inference.facts import DEMO_WARNING, is_demo, score_name, title
from fakeforensics.inference.frames import Rgb
from fakeforensics.inference.judgement import Answer, Judgement, Policy
from fakeforensics.inference.limits import Limits
from fakeforensics.inference.modelcard import LIMITS
from fakeforensics.inference.trained import Trained

_HEADLINES = {"fake": "Fake", "real": "No forgery found", None: "Scored, without a verdict"}
_HEAT = (
    "Left what the detector saw, right where its score comes from (Grad-CAM): the brighter a place, the more "
    "it speaks for fake. Real faces have such a map, too."
)
_NO_HEAT = "What the detector saw. This detector has no heat maps."
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 88)


def header_html(trained: Trained, limits: Limits) -> str:
    """The page's head: what it does, by which model."""
    demo = f'<div class="warn">{escape(DEMO_WARNING)}</div>' if is_demo(trained) else ""
    takes = (
        "faces are found and judged one by one" if trained.crop == "faces" else "the whole image is judged"
    )
    return (
        '<div class="ff"><h1>Real or fake?</h1>'
        f'<p class="soft">Drop an image or a short video: {takes}. '
        f"Model <b>{escape(trained.name)}</b>: {escape(title(trained))}. At most {limits.max_mb} MB and "
        f"{limits.max_seconds:g} seconds of work. Uploads are deleted once judged.</p>{demo}</div>"
    )


def reply_html(reply: Reply, policy: Policy) -> str:
    """The answer about one file."""
    judgement = reply.judgement
    if judgement.reason is not None:
        return problem_html(judgement.reason)
    answers = _answers(judgement)
    views = "".join(_img(view, "the upload with its faces marked") for view in reply.views)
    verdict = _worst(answers)[1].verdict or "none"
    parts = [
        f'<div class="card">{_headline(judgement, answers)}',
        f"{score_scale(answers, policy)}{_meaning(policy)}</div>",
        *_chart(judgement, policy),
        "<h2>What was judged</h2>",
        f'<div class="views">{views}</div>',
        f"<h2>{_face_title(judgement, reply.explained)}</h2>",
        f'<p class="soft">{_HEAT if reply.has_heat else _NO_HEAT}</p>',
        f'<div class="faces">{"".join(_face(one, judgement) for one in reply.explained)}</div>',
        limits_html(),
    ]
    return f'<div class="ff" data-verdict="{verdict}">{"".join(parts)}</div>'


def problem_html(reason: str) -> str:
    """Why a file was not judged."""
    return (
        '<div class="ff" data-verdict="failed"><div class="card">'
        '<div class="verdict none">Not judged</div>'
        f"<p>{escape(reason[0].upper() + reason[1:])}.</p>"
        '<p class="soft">Images: JPEG, PNG, WebP, TIFF, BMP. Videos: MP4, MOV, MKV, WebM.</p></div></div>'
    )


def limits_html() -> str:
    """What the answer does not mean."""
    listed = "".join(f"<li>{escape(limit)}</li>" for limit in LIMITS)
    return f'<h2>What this answer does not mean</h2><div class="warn"><ul>{listed}</ul></div>'


def _answers(judgement: Judgement) -> list[tuple[int, Answer]]:
    if judgement.kind == "video":
        return list(judgement.people.items())
    return [(face.cut.face, face.answer) for face in judgement.faces]


def _worst(answers: Sequence[tuple[int, Answer]]) -> tuple[int, Answer]:
    return max(answers, key=lambda pair: pair[1].score)


def _headline(judgement: Judgement, answers: Sequence[tuple[int, Answer]]) -> str:
    face, answer = _worst(answers)
    subject = {True: "This video", False: "This image"}[judgement.kind == "video"]
    detail = f"Score {answer.score:.3g}"
    if answer.probability is not None:
        detail += f", probability of fake {100 * answer.probability:.1f} %"
    if judgement.kind == "video":
        detail += f", mean over {len({one.frame for one in judgement.faces})} frames"
        if judgement.lost_frames:
            detail += f" ({judgement.lost_frames} more without a face)"
    elif len(answers) > 1:
        detail += f": face {face}, the most suspicious of {len(answers)}"
    return (
        f'<p class="soft">{subject}</p><div class="verdict {answer.verdict or "none"}">'
        f"{_HEADLINES[answer.verdict]}</div><p>{detail}.</p>"
    )


def _meaning(policy: Policy) -> str:
    decision = policy.decision
    if decision is None:
        return '<p class="soft">This model has no threshold, so there is no verdict.</p>'
    probability = policy.answer(decision.threshold).probability
    there = "" if probability is None else f", a probability of {100 * probability:.1f} %"
    text = f"Fake from {decision.threshold:.3g} in {score_name(policy.spec)}{there}; {decision.chosen}. "
    if decision.calibrator is None and probability is not None:
        text += "The probability is not calibrated: its expected error is not known."
    elif decision.calibrator is not None and decision.expected_calibration_error is not None:
        error = 100 * decision.expected_calibration_error
        text += f"The probability is calibrated: on validation it is off by {error:.1f} points on average."
    if decision.expected_fpr is not None:
        text += f" About {100 * decision.expected_fpr:.1f} % of real faces are called fake on such data."
    return f'<p class="soft">{escape(text)}</p>'


def _chart(judgement: Judgement, policy: Policy) -> list[str]:
    if judgement.kind == "image":
        return []
    chart = frame_chart(judgement.faces, policy)
    return [f'<h2>Score by frame</h2><div class="card">{chart}</div>']


def _face_title(judgement: Judgement, explained: Sequence[Explained]) -> str:
    if judgement.kind == "video":
        return "The most suspicious frames"
    count = len(judgement.faces)
    if len(explained) < count:
        return f"The {len(explained)} most suspicious of {count} faces"
    return (
        "The face"
        if count == 1 and judgement.faces[0].cut.box
        else "The image"
        if count == 1
        else "The faces"
    )


def _face(one: Explained, judgement: Judgement) -> str:
    answer, cut = one.face.answer, one.face.cut
    name = f"frame {cut.frame}" if judgement.kind == "video" else f"face {cut.face}"
    probability = "" if answer.probability is None else f", {100 * answer.probability:.1f} %"
    return (
        f'<div class="face">{_img(one.picture, name)}<div><span>{name}</span>'
        f"<span>{answer.score:.3g}{probability}</span>"
        f'<span class="pill {answer.verdict or "none"}">{answer.verdict or "–"}</span></div></div>'
    )


def _img(pixels: Rgb, alt: str) -> str:
    data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), _JPEG)[1].tobytes()
    return f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
