"""Numbers in sentences: counts with their nouns, and shares in percent. One form in all that people read."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun, such as `1 file` and `1,200 files`.

    Args:
        number: The number.
        noun: The noun for one, with any adjectives: "unseen test set".
        plural: The noun for other numbers; by default the noun with an s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def percent(share: float, digits: int = 1) -> str:
    """A share in percent, such as `97.5%`.

    Args:
        share: From 0 to 1.
        digits: Digits after the decimal point.
    """
    return f"{100 * share:.{digits}f}%"


def likely(probability: float) -> str:
    """A probability in percent, such as `97.5%`; never 0% or 100%, because no detector is certain.

    Args:
        probability: From 0 to 1.
    """
    text = percent(probability)
    return {"100.0%": ">99.9%", "0.0%": "<0.1%"}.get(text, text)
