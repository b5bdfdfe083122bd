"""Counts trials, survivors and failures, and prints them."""

from collections import Counter


class Tally:
    """What became of the trials of one kind.

    Args:
        kind: In words, for the printed lines.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.outcomes: Counter[str] = Counter()
        self.failures: list[str] = []

    def count(self, trial: str, how: str, why: str = "") -> None:
        """Count a trial.

        Args:
            trial: What was done, to be printed; empty prints nothing.
            how: How it survived.
            why: Why it failed; empty if it survived.
        """
        if why:
            self.failures.append(f"{trial}: {why}")
        else:
            self.outcomes[how] += 1
        if trial:
            print(f"{'FAILURE: ' if why else ''}{trial}: {why or how}", flush=True)

    def end(self) -> None:
        """Print the figures; fail if there was a failure or no trial."""
        survivors = self.outcomes.total()
        how = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        print(
            f"\n{self.kind}: {survivors + len(self.failures)} trials, {survivors} survivors ({how}), "
            f"{len(self.failures)} failures",
            flush=True,
        )
        assert survivors
        assert not self.failures, "\n".join(self.failures)
