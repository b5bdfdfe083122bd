"""Gives each run its own GPU when several runs share a machine.

A run leases its devices with locks and sees no other device. The system releases the locks when the process
ends, even if it is killed. On a machine with fewer than two GPUs nothing is leased.
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
# A process can take its own lock twice, so the devices that this process holds are listed here.
_ours: set[str] = set()


def started_by_slurm() -> bool:
    """Whether Slurm started several processes, each with its own cores and GPU."""
    return "TORCHELASTIC_RUN_ID" not in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1


def has_gpu() -> bool:
    """Whether this machine has the driver of a GPU that torch can use, and the environment shows the GPU."""
    hidden = os.environ.get(VISIBLE) == ""
    return not hidden and any(Path(device).exists() for device in _GPU_DEVICES)


def shared_devices() -> list[str]:
    """The devices that the runs on this machine can lease; none if there are fewer than two.

    These are the GPUs that `CUDA_VISIBLE_DEVICES` names, or all GPUs if it is not set.
    `FAKEFORENSICS_DEVICES=cpu:2` simulates two devices that compute on the processor, to try how runs are
    distributed. With `FAKEFORENSICS_DEVICES=none` nothing is leased.

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
            expected="`none`, or `cpu:2` to simulate two devices",
            found=setting,
        )
    # torchrun and Slurm have already given each of their processes a device.
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
    """Lease devices while the block runs, and hide all other devices from this process.

    The function waits until enough devices are free and logs that it waits. Call it before anything starts
    CUDA, because CUDA reads the visible devices only once.

    Args:
        count: Number of devices.
        doing: What the devices are for, for messages: "the training of …".

    Yields:
        Names of the leased devices; none if `shared_devices` is empty.

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
            fix=f"lower `train.devices`, or list more devices in {VISIBLE}",
        )
    before = os.environ.get(VISIBLE)
    with ExitStack() as locks:
        taken = _wait_for(names, count, doing, locks)
        # With simulated devices no run may use a GPU, because all runs would use the same one.
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
    """Warn if this process still sees GPUs that it did not lease.

    Without the driver's query library, counting the GPUs starts CUDA, and then no GPU can be hidden.
    """
    import torch

    if torch.cuda.device_count() != count:
        log.warning(
            "this process sees %d GPUs instead of the %d that it leased, and may use the GPU of another run: "
            "set %s to the GPUs that the runs may use",
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
    """Lease `count` devices, or none: two runs that each hold some of them would wait for each other."""
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
    """Folder of the locks of this user's runs on this machine; each Slurm job has its own GPUs and folder."""
    folder = Path(tempfile.gettempdir()) / f"fakeforensics-{os.getuid()}" / os.environ.get("SLURM_JOB_ID", "")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
