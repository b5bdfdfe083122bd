"""The error that is written for users."""


class UserError(Exception):
    """A problem that the user can fix. The message says what was expected, what was found and what to do.

    Args:
        what: The problem; it names the file, source or parameter.
        found: What was found instead, if that helps.
        expected: What was expected.
        fix: What to do next.
    """

    def __init__(
        self,
        what: str,
        *,
        found: str | None = None,
        expected: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.what = what
        self.found = found
        self.expected = expected
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        details = [("expected", self.expected), ("found", self.found), ("what to do", self.fix)]
        lines = [self.what]
        lines += [f"  {name}: {text}".replace("\n", "\n    ") for name, text in details if text]
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Without this, the keyword-only details are lost when a worker process sends the error back.
        return (_rebuild, (self.what, self.found, self.expected, self.fix))


def _rebuild(what: str, found: str | None, expected: str | None, fix: str | None) -> UserError:
    return UserError(what, found=found, expected=expected, fix=fix)
