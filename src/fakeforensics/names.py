"""Checks names that users write. A name becomes part of paths and keys, so it must not be a path itself."""

from __future__ import annotations

import re

from fakeforensics.errors import UserError

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"
NAME_WORDS = "a name of letters, digits and _ . + -, which begins with a letter or digit"
LONGEST_NAME = 100


def check_name(name: str) -> str:
    """Check a name that was given on a command line, and return it.

    Raises:
        UserError: If it is not a plain name.
    """
    if not re.fullmatch(NAME_PATTERN, name) or len(name) > LONGEST_NAME:
        raise UserError(
            f"{name!r} is not a name",
            expected=f"{NAME_WORDS}, of at most {LONGEST_NAME} characters",
            fix="give the name as it is written in params.yaml, not a path",
        )
    return name
