"""The columns of a result table: an objective and the score that is read from its model."""

from __future__ import annotations

from typing import NamedTuple


class ScoreColumn(NamedTuple):
    """One column of the thesis's tables 4.3 to 4.9.

    Args:
        key: Its name in the reference figures.
        objective: What the model was trained with.
        score: `sl`, the classifier's output (equation 3.6), or `cd`, the distance to the centre (3.3).
        title: The column's heading.
        group: The heading that it shares with its neighbour, or "".
    """

    key: str
    objective: str
    score: str
    title: str
    group: str = ""

    @property
    def name(self) -> str:
        """The full heading, such as `BCE+SAD S_CD`."""
        return f"{self.group} {self.title}".strip()


COLUMNS = (
    ScoreColumn("bce", "bce", "sl", "BCE"),
    ScoreColumn("sad", "sad", "cd", "SAD"),
    ScoreColumn("joint_sl", "joint", "sl", "S_SL", "BCE+SAD"),
    ScoreColumn("joint_cd", "joint", "cd", "S_CD", "BCE+SAD"),
)
OBJECTIVES = ("bce", "sad", "joint")
