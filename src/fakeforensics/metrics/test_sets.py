"""What scores need to know of a protocol: its test sets in order, and which of them are unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from fakeforensics.params import parse, read_yaml


class TestSets(BaseModel):
    """The part of a protocol file that concerns testing; the rest is read by the splits stage.

    Args:
        test: Test sets by name, in the order of the tables.
        unseen: Those whose forgery method or image world was not trained on.
    """

    __test__ = False  # not a test case, whatever pytest makes of the name

    model_config = ConfigDict(frozen=True, extra="ignore")

    test: dict[str, Any]
    unseen: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The test sets' names in the protocol's order."""
        return tuple(self.test)


def read_test_sets(protocol: str, folder: Path = Path("protocols")) -> TestSets:
    """Read the test sets of `protocols/<protocol>.yaml`.

    Raises:
        UserError: If there is no such file, or it names no test sets.
    """
    path = folder / f"{protocol}.yaml"
    return parse(TestSets, read_yaml(path), str(path))
