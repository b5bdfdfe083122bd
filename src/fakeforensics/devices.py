"""A GPU of its own for each run, when several run on a machine at the same time.

A run leases its devices by locks, which end with its process however that ends, and sees no other device. A
machine with one GPU or none has nothing to share out: there nothing is leased and nothing changes.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fakeforensics.errors import UserError
from fakeforensics.files import hold

log = logging.getLogger(__name__)

SETTING = "FAKEFORENSICS_DEVICES"
VISIBLE = "CUDA_VISIBLE_DEVICES"
LOOK_EVERY = 2.0  # seconds between looks for a device that is free
_PRETENDED = "cpu-"
# What the drivers of NVIDIA and AMD create. Asking torch would take seconds.
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd")
# The locks of a process do not exclude the process itself.
_ours: set[str] = set()


def started_by_slurm() -> bool:
    """Whether Slurm started several processes, each with cores and a GPU of its own."""
    return "TORCHELASTIC_RUN_ID" not in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1


def has_gpu() -> bool:
    """Whether the driver of a GPU that torch can use runs here, and the environment does not hide the GPU."""
    hidden = os.environ.get(VISIBLE) == ""
    return not hidden and any(Path(device).exists() for device in _GPU_DEVICES)


def shared_devices() -> list[str]:
    """The devices that runs on this machine share out; none if there is at most one.

    These are the GPUs that `CUDA_VISIBLE_DEVICES` names, or else all. `FAKEFORENSICS_DEVICES=cpu:2` pretends
    that there are two and computes on the processor, to try how runs spread; `none` leases nothing.

    Raises:
        UserError: If `FAKEFORENSICS_DEVICES` has another value.
    """
    setting = os.environ.get(SETTING, "")
    kind, _, number = setting.partition(":")
    if kind == "cpu" and number.isdecimal() and int(number) > 0:
        return [f"{_PRETENDED}{place}" for place in range(int(number))]
    if setting not in ("", "none"):
        raise UserError(
            f"the environment variable {SETTING} cannot be read",
            expected="`none`, or `cpu:2` to pretend that there are two devices",
            found=setting,
        )
    # torchrun and Slurm gave each of their processes a device already.
    if setting == "none" or "LOCAL_RANK" in os.environ or started_by_slurm() or not has_gpu():
        return []
    if VISIBLE in os.environ:
        names = [name.strip() for name in os.environ[VISIBLE].split(",") if name.strip()]
    else:
        import torch

        names = [str(place) for place in range(torch.cuda.device_count())]
    return names if len(names) > 1 else []


@contextmanager
def leased(count: int, doing: str) -> Iterator[tuple[str, ...]]:
    """Keep other runs from some devices while the block runs, and hide all other devices from this process.

    It waits until enough devices are free, and says so. It must come before anything that starts CUDA, which
    reads once what is visible.

    Args:
        count: How many devices.
        doing: What for: "the training of …".

    Yields:
        The devices' names; none on a machine that has nothing to share out.

    Raises:
        UserError: If the machine has fewer devices.
    """
    names = shared_devices()
    if not names:
        yield ()
        return
    if count > len(names):
        raise UserError(
            f"{doing} needs {count} devices",
            found=f"{len(names)}: {', '.join(names)}",
            fix=f"lower `train.devices`, or show more of them in {VISIBLE}",
        )
    before = os.environ.get(VISIBLE)
    with ExitStack() as locks:
        taken = _wait_for(names, count, doing, locks)
        # Where devices are pretended, a GPU must not be used by all at once.
        os.environ[VISIBLE] = ",".join(name for name in taken if not name.startswith(_PRETENDED))
        log.info("%s: on device %s", doing, ", ".join(taken))
        if before is None and os.environ[VISIBLE]:
            _warn_if_all_are_seen(count)
        try:
            yield tuple(taken)
        finally:
            if before is None:
                del os.environ[VISIBLE]
            else:
                os.environ[VISIBLE] = before


def _warn_if_all_are_seen(count: int) -> None:
    """Without the driver's library of queries, counting starts CUDA, after which nothing can be hidden."""
    import torch

    if torch.cuda.device_count() != count:
        log.warning(
            "this process sees %d GPUs instead of the %d that it leased, and may use another run's: set %s "
            "to the GPUs that the runs are to share out",
            *(torch.cuda.device_count(), count, VISIBLE),
        )


def _wait_for(names: Sequence[str], count: int, doing: str, locks: ExitStack) -> list[str]:
    told = False
    while True:
        taken, busy = _try(names, count, doing, locks)
        if len(taken) == count:
            return taken
        if not told:
            log.warning(
                "%s waits for %s of %d: %s",
                doing,
                "a device" if count == 1 else f"{count} devices",
                len(names),
                "; ".join(f"{name} is taken by {holder}" for name, holder in busy.items()),
            )
            told = True
        time.sleep(LOOK_EVERY)


def _try(names: Sequence[str], count: int, doing: str, locks: ExitStack) -> tuple[list[str], dict[str, str]]:
    """Lease `count` devices, or none of them: two runs that each hold a part would wait for each other."""
    taken: list[str] = []
    busy: dict[str, str] = {}
    folder = _folder()
    with ExitStack() as found, (folder / "choosing").open("a") as choosing:
        fcntl.flock(choosing, fcntl.LOCK_EX)
        for name in names:
            if len(taken) == count:
                break
            if name in _ours:
                busy[name] = "this process"
                continue
            try:
                found.enter_context(hold(folder / f"{name.replace('/', '_')}.lock", doing))
            except UserError as error:
                busy[name] = error.found or "another process"
                continue
            taken.append(name)
            _ours.add(name)
            found.callback(_ours.discard, name)
        if len(taken) < count:
            return [], busy
        locks.push(found.pop_all())
    return taken, busy


def _folder() -> Path:
    """Where this user's runs on this machine have their locks; a Slurm job has GPUs of its own."""
    folder = Path(tempfile.gettempdir()) / f"fakeforensics-{os.getuid()}" / os.environ.get("SLURM_JOB_ID", "")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
