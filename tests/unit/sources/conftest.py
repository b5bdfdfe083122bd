from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

Tree = Callable[[Iterable[str]], Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Makes files by relative path; their bytes are their names, so that no two are alike."""

    def make(paths: Iterable[str]) -> Path:
        for path in paths:
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(path)
        return tmp_path

    return make
