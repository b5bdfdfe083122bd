"""What one stranger's file may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of the web page.

    Args:
        max_mb: Largest upload, in MB.
        max_seconds: Longest time for finding a file's faces, in seconds; then the process is killed.
        memory_mb: Most address space of that process, in MiB.
        at_once: Files that are judged at once; others wait.
        waiting: Files that may wait; others are turned away.
    """

    max_mb: int = 50
    max_seconds: float = 60
    memory_mb: int = 4096
    at_once: int = 2
    waiting: int = 20
