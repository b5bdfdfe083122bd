"""Reads YAML 1.2, which DVC uses for params.yaml. PyYAML itself reads YAML 1.1."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, ClassVar

import yaml

from fakeforensics.errors import UserError
from fakeforensics.reading import read_text


class _Yaml(yaml.SafeLoader):
    """A loader for YAML 1.2, where 5e-05 is a number, 010 is ten, and `no` is text."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {}  # type: ignore[misc]

    def construct_int(self, node: yaml.ScalarNode) -> int:
        """Parse an integer: decimal, unless it begins with 0b, 0o or 0x."""
        text = str(self.construct_scalar(node)).replace("_", "")
        return int(text, {"0b": 2, "0o": 8, "0x": 16}.get(text.lstrip("+-")[:2], 10))

    def construct_unique_mapping(self, node: yaml.MappingNode) -> dict[Hashable, Any]:
        """Build a mapping and refuse duplicate keys; PyYAML would keep the last value."""
        # `<<` merges another mapping, whose keys may be repeated.
        written = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        keys = [self.construct_object(key) for key in written]
        if twice := [place for place, key in enumerate(keys) if key in keys[:place]]:
            first, again = keys.index(keys[twice[0]]), twice[0]
            raise yaml.constructor.ConstructorError(
                f"the key {keys[again]!r} appears twice, first",
                written[first].start_mark,
                "and again",
                written[again].start_mark,
            )
        return self.construct_mapping(node, deep=True)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?([0-9][0-9_]*|0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+)", list("-+0123456789")),
    (
        "float",
        r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*)|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", "<<", ["<"]),
):
    _Yaml.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)
_Yaml.add_constructor("tag:yaml.org,2002:int", _Yaml.construct_int)
_Yaml.add_constructor("tag:yaml.org,2002:map", _Yaml.construct_unique_mapping)


def read_yaml(path: Path) -> Any:
    """Read a YAML 1.2 file.

    Raises:
        UserError: If the file is missing, cannot be parsed, or has a key twice.
    """
    text = read_text(Path(path), fix="run the command from the project's top folder")
    try:
        return yaml.load(text, _Yaml)  # noqa: S506  a safe loader
    # A tag such as `!!int abc` raises a ValueError or a KeyError.
    except (yaml.YAMLError, ValueError, LookupError, RecursionError) as error:
        raise UserError(
            f"{path}: not valid YAML",
            found=str(error).replace('"<unicode string>"', Path(path).name),
            fix="correct the file at the line named above",
        ) from None
