"""From a source in params.yaml to its files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from fakeforensics.errors import UserError
from fakeforensics.params import SourceParams
from fakeforensics.sources.layout import Layout
from fakeforensics.sources.layouts import LAYOUTS
from fakeforensics.sources.record import RawFile


class MissingSourceError(UserError):
    """The folder of a configured source is not there."""


def open_source(name: str, source: SourceParams) -> Layout:
    """The layout of a configured source, its root resolved and found to exist.

    Args:
        name: The source's name in params.yaml.
        source: Its settings; `$VARIABLES` and `~` in the root are expanded.

    Raises:
        MissingSourceError: If the root does not exist, or a variable in it is not set.
        UserError: If the layout is unknown or an option is wrong.
    """
    if source.layout not in LAYOUTS:
        raise UserError(
            f"params.yaml: sources.{name}.layout: unknown layout {source.layout!r}",
            expected="one of " + ", ".join(LAYOUTS),
        )
    layout = LAYOUTS[source.layout]
    root = expand_root(name, source.root)
    if not root.is_dir():
        raise MissingSourceError(
            f"source {name!r}: the folder {root} does not exist",
            expected=f"a data set of layout {source.layout}:\n{layout.tree}",
            fix=f"docs/data.md says how to get it; then set sources.{name}.root in params.yaml, "
            "or remove the source there",
        )
    return layout(name, root, source.options)


def read_records(layout: Layout) -> list[RawFile]:
    """All files of a source.

    Raises:
        UserError: If there is none, or the tree is not what the layout expects.
    """
    records = layout.records()
    if not records:
        raise layout.problem("its folder holds no image or video that the layout reads")
    return records


def crop_mode(layout: Layout, source: SourceParams) -> Literal["faces", "whole"]:
    """Whether faces are cropped or images kept whole: params.yaml's word, else the layout's."""
    return source.crop or layout.crop


def expand_root(name: str, root: str) -> Path:
    """A root with `~` and environment variables replaced.

    Raises:
        MissingSourceError: If a variable is not set.
    """
    expanded = os.path.expandvars(str(Path(root).expanduser()))
    unset = re.search(r"\$\{?(\w+)", expanded)
    if unset:
        raise MissingSourceError(
            f"source {name!r}: the environment variable {unset.group(1)} in its root {root} is not set",
            fix=f"export {unset.group(1)}=…, or write the folder itself into sources.{name}.root",
        )
    return Path(expanded)
