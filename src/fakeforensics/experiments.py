"""Reads the results of DVC's experiments."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from fakeforensics.errors import UserError

WORKSPACE = "workspace"  # DVC's name for the state that is not committed
# Parameters that do not change a detector's scores, or only add or remove runs.
WITHOUT_EFFECT = {"protocols", "sources", "detectors", "compare", "evaluate", "thresholds", "report"}


class Recorded(NamedTuple):
    """A revision with its params.yaml and the metrics of one protocol, by detector."""

    revision: str
    params: dict[str, Any]
    metrics: dict[str, dict[str, Any]]


def shown_experiments() -> list[dict[str, Any]]:
    """The output of `dvc exp show --json`; the workspace comes first.

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


def comparable_runs(
    shown: list[dict[str, Any]], protocol: str, varied: Collection[str]
) -> Iterator[Recorded]:
    """The runs of a protocol that differ from the workspace only in the varied parameters.

    A run that differs in another parameter that scores depend on belongs to another study and is left out.

    Args:
        shown: The output of `dvc exp show --json`; the workspace comes first.
        protocol: The protocol's name.
        varied: The top-level parameters in which runs may differ.

    Yields:
        Experiments, the newest first; then commits; then the workspace. The workspace is last because its
        parameters may have changed since its metrics were written.
    """
    ours = parameters(shown[0]["data"]) if shown and shown[0].get("data") else None
    free = {*varied, *WITHOUT_EFFECT}
    for data in _revisions(shown):
        params, found = parameters(data), metrics(data, protocol)
        if params and found and ours and _without(params, free) == _without(ours, free):
            yield Recorded(data["rev"], params, found)


def _without(params: dict[str, Any], free: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if key not in free}


def _revisions(shown: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The data of each experiment, each commit and the workspace."""
    experiments = [
        # DVC lists the final state of an experiment first.
        one["revs"][0]["data"]
        for state in shown
        for one in state.get("experiments") or []
        if one["revs"] and one["revs"][0].get("data")
    ]
    yield from sorted(experiments, key=lambda data: data.get("timestamp") or "", reverse=True)
    yield from (state["data"] for state in reversed(shown) if state.get("data"))


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
