"""Names from outside: they become parts of paths and keys, and never are paths themselves."""

from __future__ import annotations

import re

from fakeforensics.errors import UserError

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"
NAME_WORDS = "a name of letters, digits and _ . + -, which begins with a letter or digit"
LONGEST_NAME = 100


def check_name(name: str) -> str:
    """Return a name that was given on a command line.

    Raises:
        UserError: If it is no plain name.
    """
    if not re.fullmatch(NAME_PATTERN, name) or len(name) > LONGEST_NAME:
        raise UserError(
            f"{name!r} is not a name",
            expected=f"{NAME_WORDS}, of at most {LONGEST_NAME} characters",
            fix="give the name as params.yaml has it, not a path",
        )
    return name
