"""Records what a result depends on in addition to the files: program, libraries, machine and detector."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import fakeforensics
from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.inference.assessment import ScoreRule
from fakeforensics.inference.evidence.case import Library, Machine, ModelRecord, Program
from fakeforensics.inference.network import Network
from fakeforensics.inference.package import Package

# Libraries that process pixels or scores; others do not change a result.
LIBRARIES = (
    *("torch", "torchvision", "onnxruntime", "numpy", "scipy", "opencv-python-headless", "pillow", "av"),
    *("dlib-bin", "dlib", "face_recognition_models", "safetensors", "captum", "pydantic"),
)


def describe_program() -> Program:
    """This program and its libraries, with hashes of the installed files."""
    root = Path(fakeforensics.__file__).parent
    files = sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    listed = "".join(f"{sha256_file(path)}  {path.relative_to(root).as_posix()}\n" for path in files)
    return Program(
        version=fakeforensics.__version__,
        sha256=hashlib.sha256(listed.encode()).hexdigest(),
        python=platform.python_version(),
        libraries={name: found for name in LIBRARIES if (found := _library(name)) is not None},
    )


def describe_machine(network: Network) -> Machine:
    """This machine, and the library that computes the scores on it."""
    return Machine(
        system=platform.platform(),
        processor=network.processor,
        device=network.device,
        threads=network.threads,
        precision="float32",
        runtime=network.runtime,
    )


def describe_model(package: Package) -> ModelRecord:
    """The package and the hashes of all its files.

    Raises:
        UserError: If one of its files is damaged.
    """
    decision, training = package.decision, package.training
    return ModelRecord(
        name=package.name,
        folder=str(package.directory.resolve()),
        demo=package.is_demo,
        files=hash_package(package.directory),
        manifests={} if training is None else training.manifests,
        score=ScoreRule(decision, package.scores).spec.name,
        threshold=None if decision is None else decision.threshold,
        policy=package.policy,
    )


def hash_package(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a package by name.

    Raises:
        UserError: If there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder", fix="name the package with --model")
    return {path.name: sha256_file(path) for path in sorted(folder.iterdir()) if path.is_file()}


def _library(name: str) -> Library | None:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    record = found.read_text("RECORD")
    digest = None if record is None else hashlib.sha256(record.encode()).hexdigest()
    return Library(version=found.version, record_sha256=digest)
