"""A protocol, protocols/<name>.yaml: the images that an experiment trains on and those that it tests on."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from fakeforensics.errors import UserError
from fakeforensics.metrics.table import TAKEN
from fakeforensics.params import Count, EachOnce, Flag, Group, Name, Names, Params, Probability
from fakeforensics.parsing import parse
from fakeforensics.yaml12 import read_yaml

# A source, one of its domains, or one method of that domain, such as `dffd/ffhq/faceapp`.
LimitedKind = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.+-]*(/[A-Za-z0-9][\w.+-]*){0,2}$")]


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Selection(Group):
    """Some images of one source.

    Args:
        source: The source's name in params.yaml.
        domain: The image domains to take; all if left out.
        methods: The forgery methods to take, where `real` stands for real images; all if left out.
        splits: For test sets only: `all` takes every image of a source that this protocol does not train on;
            `test` takes its test split alone.
    """

    source: Name
    domain: tuple[Name, ...] | None = None
    methods: tuple[Name, ...] | None = None
    splits: Literal["test", "all"] = "test"

    _lists = field_validator("domain", "methods", mode="before")(_as_tuple)

    def __str__(self) -> str:
        parts = [*(self.domain or ()), *(self.methods or ())]
        return f"{self.source} ({', '.join(parts)})" if parts else self.source


class Holdout(Group):
    """The share of a source that is held out if the source has no official split.

    Args:
        by: The unit that is held out. `person`: training and validation share no person, if the source names
            persons, and images in the group of an official test image are not used. `video`: a group, such as
            a video with the swaps made from it. Then persons may be in several splits, and training may see
            relatives of official test videos. That leaks; `counts.json` and the report say how much. It is
            meant for repeating published experiments.
        val: Share of the persons, or of the groups if persons are unknown, for validation; at least 0, below
            1.
        test: The same share for testing; not used for a source with official test images. `val` and `test`
            together are below 1.
    """

    by: Literal["person", "video"] = "person"
    val: Annotated[Probability, Field(lt=1)] = 0.15
    test: Annotated[Probability, Field(lt=1)] = 0.25

    @model_validator(mode="after")
    def _leaves_something(self) -> Holdout:
        if self.val + self.test >= 1:
            raise ValueError("val and test leave nothing to train on")
        return self


class PerClass(Group):
    """A number for real and a number for fake images or videos, each at least 1."""

    real: Annotated[Count, Field(ge=1)]
    fake: Annotated[Count, Field(ge=1)]

    def of(self, label: int) -> int:
        """The number for 0 (real) or 1 (fake)."""
        return self.fake if label else self.real


class Frames(PerClass):
    """The number of frames to keep per real and per fake video; a split may have different numbers.

    The split is the one to which the video was assigned, even if a test set takes `splits: all`.
    """

    train: PerClass | None = None
    val: PerClass | None = None
    test: PerClass | None = None

    def in_split(self, split: str) -> PerClass:
        """The numbers for `train`, `val` or `test`."""
        own: PerClass | None = getattr(self, split, None)
        return own or self


class PerSplit(Group):
    """The most images in each split, at least 1; None is no limit."""

    train: Annotated[Count, Field(ge=1)] | None = None
    val: Annotated[Count, Field(ge=1)] | None = None
    test: Annotated[Count, Field(ge=1)] | None = None


class Limits(PerSplit):
    """The most images of one method and domain in each split; if there are more, a seeded sample is drawn.

    Photographs are chosen together with their edits, and each video gives the same number of frames.

    Args:
        real: Limits for real images, which replace the limits for both classes.
        fake: Limits for fakes, which replace the limits for both classes.
        by_folder: Whether to draw stills from every folder in proportion to its size, such as from each
            category of CNN Synth. Photographs and edits in different folders are then not chosen together.
    """

    real: PerSplit | None = None
    fake: PerSplit | None = None
    by_folder: Flag = False

    def most(self, label: int, split: str) -> int | None:
        """The limit for a class (0 real, 1 fake) in a split, or None."""
        of_class = self.fake if label else self.real
        own: int | None = getattr(of_class, split, None)
        return own if own is not None else getattr(self, split, None)


class Sampling(Group):
    """The choice of a module that samples images; see `splits.sample.find_sampler`.

    All other keys are settings of the module.

    Args:
        module: The module's full name, such as `fakeforensics.thesis.instances`.
    """

    model_config = ConfigDict(extra="allow")

    module: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]

    def settings(self) -> dict[str, Any]:
        """The settings of the module."""
        return dict(self.model_extra or {})


class Overrides(Group):
    """Settings that replace those of params.yaml, by the keys that the groups have there.

    `detector_settings` holds the protocol's defaults: a detector's settings in params.yaml replace them.
    """

    train: dict[str, Any] = Field(default={})
    augment: dict[str, Any] = Field(default={})
    detector_settings: dict[Name, dict[str, Any]] = Field(default={})


class Protocol(Group):
    """One experiment.

    Args:
        title: A short description of the experiment, for captions.
        reference: The table of the thesis that reports this experiment, if any.
        train: The images for training and validation.
        test: Test sets by name, in the order of the tables.
        unseen: The test sets whose forgery method or image domain is not in training.
        holdout: The shares held out for validation and test if a source has no official split.
        frames_per_video: The number of frames to keep per video, evenly spread over the stored ones; all if
            left out.
        limits: The most images of one method and domain in each split, by `<source>`, `<source>/<domain>` or
            `<source>/<domain>/<method>`. The longest matching name that sets a limit counts.
        reals: How often a real image is used in training and validation. `shared`: once, however many forgery
            methods its domain has. `repeated`: once per forgery method, as if there were a set of reals and
            fakes for each method.
        sampling: The module that chooses training and test images, and its settings; none if left out.
        corrupted_images: The most test images per class and test set that are also scored under each
            corruption; if there are more, a seeded sample is drawn. All if left out.
        detectors: The detectors of params.yaml that run on this protocol; all if left out.
        reference_set: Labeled real images unrelated to the task, for detectors that learn from such a set.
            Each source and domain is a class.
        params: Settings that replace those of params.yaml.
        as_written: Whether to follow the thesis literally where it is ambiguous: the values of
            `training.settings.AS_WRITTEN` then replace those of params.yaml.
        demo: Whether the images are synthetic. The report and the model cards then say so.
    """

    title: Annotated[str, Field(min_length=1)]
    reference: str | None = None
    train: Annotated[tuple[Selection, ...], Field(min_length=1)]
    test: Annotated[dict[Name, tuple[Selection, ...]], Field(min_length=1)]
    unseen: Annotated[tuple[Name, ...], EachOnce] = ()
    holdout: Holdout = Holdout()
    frames_per_video: Frames | None = None
    limits: dict[LimitedKind, Limits] = Field(default={})
    reals: Literal["shared", "repeated"] = "shared"
    sampling: Sampling | None = None
    corrupted_images: Annotated[Count, Field(ge=2)] | None = None
    detectors: Names | None = None
    reference_set: tuple[Selection, ...] = ()
    params: Overrides = Overrides()
    as_written: Flag = False
    demo: Flag = False

    @model_validator(mode="after")
    def _names_agree(self) -> Protocol:
        unknown = [name for name in self.unseen if name not in self.test]
        if unknown:
            raise ValueError(
                f"unseen names {', '.join(unknown)}, but the test sets are {', '.join(self.test)}"
            )
        if taken := [name for name in self.test if name in TAKEN]:
            raise ValueError(f"no test set can be called {taken[0]!r}: tables have another row of that name")
        trained = {selection.source for selection in self.train}
        for name, selections in self.test.items():
            for selection in selections:
                if selection.splits == "all" and selection.source in trained:
                    raise ValueError(f"test.{name} takes all of {selection.source}, which is also trained on")
        if any(selection.splits == "all" for selection in (*self.train, *self.reference_set)):
            raise ValueError("`splits: all` is for test sets only")
        if self.reals == "repeated" and self.sampling is not None:
            raise ValueError(
                "`reals: repeated` cannot be combined with `sampling`, which chooses the real images itself"
            )
        sources = self.sources()
        for kind in self.limits:
            if kind.partition("/")[0] not in sources:
                raise ValueError(f"limits names {kind}, but the protocol uses {', '.join(sources)}")
        return self

    def limit(
        self, source: str, domain: str, method: str, label: int, split: str
    ) -> tuple[int, Limits] | None:
        """The most images that a method of a domain may have in a split, and the entry that sets this limit.

        Args:
            source: The source's name.
            domain: The image domain.
            method: The forgery method, or `real`.
            label: 0 real, 1 fake.
            split: `train`, `val` or `test`.

        Returns:
            None if there is no limit.
        """
        for kind in (f"{source}/{domain}/{method}", f"{source}/{domain}", source):
            limits = self.limits.get(kind)
            most = limits.most(label, split) if limits else None
            if limits and most is not None:
                return most, limits
        return None

    def sources(self) -> list[str]:
        """The names of all sources that the protocol needs, sorted."""
        return sorted({selection.source for selection in self.selections()})

    def selections(self) -> Iterable[Selection]:
        """All selections: those of training, of the reference set and of the test sets."""
        yield from self.train
        yield from self.reference_set
        for selections in self.test.values():
            yield from selections


def load_protocol(name: str, folder: Path = Path("protocols")) -> Protocol:
    """Read and check protocols/<name>.yaml.

    Raises:
        UserError: If there is no such protocol, or the file is faulty.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.yaml"))
        raise UserError(
            f"{path}: there is no protocol {name!r}",
            found=", ".join(known) or "no protocol at all",
            fix="list one of these under `protocols` in params.yaml, or write the file",
        )
    return parse(Protocol, read_yaml(path), str(path))


def check_sources(name: str, protocol: Protocol, params: Params) -> None:
    """Make sure that params.yaml configures every source that the protocol names.

    Raises:
        UserError: If it does not. The message says what to add to params.yaml.
    """
    missing = [source for source in protocol.sources() if source not in params.sources]
    if missing:
        lines = "\n".join(f"  {source}: {{layout: …, root: …}}" for source in missing)
        raise UserError(
            f"protocol {name!r} needs the source{'s' * (len(missing) > 1)} {', '.join(missing)}, "
            "which params.yaml does not configure",
            found="sources " + (", ".join(params.sources) or "(none)"),
            fix=f"{corrected(name, missing, params.sources)}; or get the data as docs/data.md says, then add "
            f"to params.yaml\nsources:\n{lines}",
        )


def corrected(protocol: str, names: Iterable[str], known: Iterable[str]) -> str:
    """What to do about names in a protocol of which nothing was found, with similar known names.

    Args:
        protocol: The protocol's name.
        names: The names in the protocol.
        known: The names that exist.
    """
    right = sorted(known)
    near = {one: get_close_matches(one, right, 1, 0.7) for one in names if one not in right}
    written = " and ".join(f"`{found[0]}` instead of `{one}`" for one, found in near.items() if found)
    return f"in protocols/{protocol}.yaml, {f'write {written}' if written else 'correct the selection'}"
