"""The experiments that DVC knows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from fakeforensics.errors import UserError

WORKSPACE = "workspace"  # what DVC calls the revision that is not committed


def shown_experiments() -> list[dict[str, Any]]:
    """What `dvc exp show --json` gives; the workspace comes first.

    Raises:
        UserError: If DVC is not installed or fails.
    """
    try:
        done = subprocess.run(["dvc", "exp", "show", "--json"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("dvc is not installed", fix="pip install 'fake-forensics[pipeline]'") from None
    if done.returncode:
        raise UserError("`dvc exp show` failed", found=done.stderr.strip())
    shown: list[dict[str, Any]] = json.loads(done.stdout)
    return shown


def revisions(shown: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The data of the workspace, of each commit and of each experiment."""
    for state in shown:
        if state.get("data"):
            yield state["data"]
        for experiment in state.get("experiments") or []:
            # The last revision of an experiment is what it ended with.
            yield from (rev["data"] for rev in experiment["revs"][:1] if rev.get("data"))


def parameters(data: dict[str, Any]) -> dict[str, Any] | None:
    """The content of a revision's params.yaml; None if it could not be read."""
    found: dict[str, Any] | None = (data.get("params") or {}).get("params.yaml", {}).get("data")
    return found


def metrics(data: dict[str, Any], protocol: str) -> dict[str, dict[str, Any]]:
    """The metrics of each detector of a protocol in a revision."""
    files = data.get("metrics") or {}
    prefix, suffix = f"metrics/{protocol}/", ".json"
    return {
        name.removeprefix(prefix).removesuffix(suffix): file["data"]
        for name, file in files.items()
        if name.startswith(prefix) and name.count("/") == 2 and file.get("data")
    }
