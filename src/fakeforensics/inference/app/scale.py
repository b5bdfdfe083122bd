"""Scores drawn as SVG: each on a scale around the threshold, and a video's frame by frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fakeforensics.inference.judgement import Answer, Face, Policy

_WIDTH, _EDGE = 760, 24
_ROWS, _LABEL_WIDTH = 3, 18
_COLORS = {"fake": "var(--ff-fake)", "real": "var(--ff-real)", None: "var(--ff-soft)"}


def score_scale(answers: Sequence[tuple[int, Answer]], policy: Policy) -> str:
    """Each face's score as a dot on a line, the threshold in its middle, real left and fake right.

    Args:
        answers: By face or person.
        policy: Has the threshold; without one the line has no middle mark.
    """
    middle, reach = _range([answer.score for _, answer in answers], policy)
    line = 58
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} 96" role="img" aria-label="scores on a scale">',
        '<defs><linearGradient id="ff-scale"><stop offset="0" stop-color="var(--ff-real)"/>'
        '<stop offset="0.5" stop-color="var(--ff-line)"/><stop offset="1" stop-color="var(--ff-fake)"/>'
        "</linearGradient></defs>",
        f'<rect x="{_EDGE}" y="{line - 4}" width="{_WIDTH - 2 * _EDGE}" height="8" rx="4" ',
        'fill="url(#ff-scale)"/>',
        f'<text x="{_EDGE}" y="{line + 28}">{middle - reach:.3g} · more like real</text>',
        f'<text x="{_WIDTH - _EDGE}" y="{line + 28}" text-anchor="end">more like fake · ',
        f"{middle + reach:.3g}</text>",
    ]
    if (decision := policy.decision) is not None:
        x = _WIDTH / 2
        parts.append(
            f'<line x1="{x}" x2="{x}" y1="{line - 16}" y2="{line + 14}" stroke="var(--ff-ink)" '
            'stroke-width="2"/>'
            f'<text x="{x}" y="{line + 28}" text-anchor="middle">threshold {decision.threshold:.3g}</text>'
        )
    places = [_place(answer.score, middle, reach) for _, answer in answers]
    for (face, answer), x, row in zip(answers, places, label_rows(places), strict=True):
        parts.append(
            f'<circle cx="{x:.1f}" cy="{line}" r="8" fill="{_COLORS[answer.verdict]}" '
            'stroke="var(--ff-card)" stroke-width="2.5"/>'
        )
        if row is not None:
            y = line - 22 - 13 * row
            parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{face}</text>')
    return "".join([*parts, "</svg>"])


def label_rows(places: Sequence[float]) -> list[int | None]:
    """For each dot the lowest row above the line whose labels leave it room; None where all are full."""
    last = [-math.inf] * _ROWS
    rows: list[int | None] = [None] * len(places)
    for number in sorted(range(len(places)), key=places.__getitem__):
        x = places[number]
        row = next((row for row in range(_ROWS) if x - last[row] >= _LABEL_WIDTH), None)
        if row is not None:
            last[row] = x
        rows[number] = row
    return rows


def frame_chart(faces: Sequence[Face], policy: Policy) -> str:
    """A video's scores over its frames, one line a person, and the threshold.

    Args:
        faces: All scored crops.
        policy: Has the threshold.
    """
    height, base = 150, 126
    middle, reach = _range([face.answer.score for face in faces], policy)
    last = max(1, max(face.frame for face in faces))

    def point(face: Face) -> tuple[float, float]:
        x = _EDGE + (_WIDTH - 2 * _EDGE) * face.frame / last
        share = min(1.0, max(-1.0, (face.answer.score - middle) / reach))
        return x, base / 2 + 6 - share * (base / 2 - 6)

    y = base / 2 + 6
    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="score by frame">']
    if (decision := policy.decision) is not None:
        is_above = max(faces, key=lambda face: face.frame).answer.score >= middle
        label = y + 18 if is_above else y - 10  # on the side where the last dots are not
        parts.append(
            f'<line x1="{_EDGE}" x2="{_WIDTH - _EDGE}" y1="{y}" y2="{y}" stroke="var(--ff-soft)" '
            f'stroke-dasharray="5 5"/><text x="{_WIDTH - _EDGE}" y="{label}" text-anchor="end">threshold '
            f"{decision.threshold:.3g}</text>"
        )
    for person in sorted({face.cut.face for face in faces}):
        own = [face for face in faces if face.cut.face == person]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(point, own))
        parts.append(f'<polyline points="{path}" fill="none" stroke="var(--ff-line)" stroke-width="2"/>')
        for face in own:
            x, y = point(face)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_COLORS[face.answer.verdict]}"/>')
    parts.append(f'<text x="{_EDGE}" y="{height - 4}">frame 0</text>')
    parts.append(f'<text x="{_WIDTH - _EDGE}" y="{height - 4}" text-anchor="end">frame {last}</text></svg>')
    return "".join(parts)


def _range(scores: Sequence[float], policy: Policy) -> tuple[float, float]:
    """The value in the middle of the scale, and how far it reaches to both sides."""
    middle = policy.decision.threshold if policy.decision else (min(scores) + max(scores)) / 2
    furthest = max(abs(score - middle) for score in scores)
    # One unit is little on a logit's scale and all of a probability's.
    least = 1.0 if policy.spec.scale == "logit" else 0.0
    return middle, max(1.25 * furthest, 0.05 * abs(middle), least) or 1.0


def _place(score: float, middle: float, reach: float) -> float:
    return _WIDTH / 2 + (_WIDTH / 2 - _EDGE) * (score - middle) / reach
