"""Checks the content of a file against a pydantic schema, with messages for the person who wrote the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from fakeforensics.errors import UserError
from fakeforensics.names import NAME_PATTERN, NAME_WORDS
from fakeforensics.reading import REPEAT, read_json

Model = TypeVar("Model", bound=BaseModel)
HEX_PATTERN = r"^[0-9a-f]{8,64}$"
_PATTERNS = {
    NAME_PATTERN: NAME_WORDS,
    HEX_PATTERN: "8 to 64 of the digits 0-9 and a-f",
}
_Path = tuple[str | int, ...]
# What was expected, by pydantic's type of error; the fields in {} are values of the error.
_WORDS = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing": "an integer",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "string_unicode": "text in UTF-8",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "none_required": "null",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a group of keys",
    "model_type": "a group of keys",
    "model_attributes_type": "a group of keys",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:g}",
    "literal_error": "{expected}",
    "string_too_short": "text that is not empty",
    "string_too_long": "text of at most {max_length} characters",
    "too_short": "a list with at least {min_length} in it",
    "too_long": "a list with at most {max_length} in it",
}


def parse(model: type[Model], value: Any, where: str, fix: str | None = None) -> Model:
    """Check `value` against a pydantic model.

    Args:
        model: The schema.
        value: The content of the file.
        where: The file's name, for the message.
        fix: What to do about a faulty file, for the message. By default the message says how to correct each
            key, which suits files that people write.

    Raises:
        UserError: If the value does not fit; the message names each faulty key, what was expected and what
            was found.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _explained(error, value, where, fix, model) from None


def read_json_as(kind: Any, path: Path, fix: str = REPEAT) -> Any:
    """Read a JSON file and check it.

    Args:
        kind: A pydantic model, or any other type that pydantic checks, such as `dict[str, int]`.
        path: The file.
        fix: What to do if the file is missing or damaged, for the message.

    Returns:
        An instance of `kind`.

    Raises:
        UserError: If the file is missing, is not JSON, or does not fit `kind`.
    """
    value = read_json(path, fix)
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise _explained(error, value, str(path), fix, None) from None


def _explained(
    error: ValidationError, value: Any, where: str, fix: str | None, model: type[BaseModel] | None
) -> UserError:
    problems: dict[_Path, list[Any]] = {}
    for problem in error.errors():
        problems.setdefault(_place(problem, value), []).append(problem)
    texts, advice = [], []
    for place, of_key in problems.items():
        if any(other[: len(place)] == place and other != place for other in problems):
            continue  # such as a list that is too short because one of its items is faulty
        text, what_to_do = _describe(place, of_key, model)
        texts.append(text)
        advice.append(what_to_do)
    return UserError(f"{where}: " + "; ".join(texts), fix=fix or "\n".join(dict.fromkeys(advice)))


def _place(problem: Any, value: Any) -> _Path:
    """The keys that lead to a fault, without pydantic's names for the alternatives of a type."""
    place: list[str | int] = []
    for part in problem["loc"]:
        is_key = isinstance(value, Mapping) and part in value
        is_index = isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
        if is_key or is_index:
            value = value[part]
            place.append(part)
        elif problem["type"] == "missing" and part == problem["loc"][-1]:
            place.append(part)
    return tuple(place)


def _describe(place: _Path, problems: list[Any], model: type[BaseModel] | None) -> tuple[str, str]:
    """What is wrong with a key, and what to do about it."""
    key, first = ".".join(map(str, place)), problems[0]
    if first["type"] == "extra_forbidden":
        return f"unknown key `{key}`", _about_unknown(place, model)
    if first["type"] == "missing":
        return f"`{key}` is missing", f"add `{key}`"
    named = f"`{key}`" if key else "the file"
    if first["type"] == "value_error":  # from a validator of this project, whose text names what was found
        message = str(first["ctx"]["error"])
        return (f"{named}: {message}" if key else message), f"correct {named}"
    found = first["input"]
    expected = " or ".join(dict.fromkeys(map(_expected, problems)))
    text = f"{named} should be {expected}, found {found!r}"
    if first["type"] == "string_type" and isinstance(found, int | float) and not isinstance(found, bool):
        return text, f"YAML reads {found} as a number: write it in quotes, '{found}'"
    if first["type"] in ("tuple_type", "list_type") and isinstance(found, str | int | float):
        return text, f"write {named} as a list: [{found}]"
    return text, f"correct {named}" + _default(place, model)


def _expected(problem: Any) -> str:
    context = problem.get("ctx", {})
    if problem["type"] == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"text of the form {context['pattern']}")
    words = _WORDS.get(problem["type"])
    return words.format(**context) if words else problem["msg"][0].lower() + problem["msg"][1:]


def _about_unknown(place: _Path, model: type[BaseModel] | None) -> str:
    *above, key = place
    own = _fields(model, tuple(above))
    if near := get_close_matches(str(key), own, 1, 0.7):
        return f"write `{near[0]}` instead of `{key}`"
    if key in _fields(model, ()):
        return f"move `{key}` to the top level, where it belongs"
    for group in _fields(model, ()):
        if key in _fields(model, (group,)):
            return f"move `{key}` to `{group}`, where it belongs"
    known = f"; known are {', '.join(own)}" if own else ""
    return f"remove `{key}`{known}"


def _default(place: _Path, model: type[BaseModel] | None) -> str:
    field = _fields(model, place[:-1]).get(str(place[-1])) if place else None
    if field is None or field.is_required() or isinstance(field.default, BaseModel | dict):
        return ""
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"; its default is {'null' if default is None else default}"


def _fields(model: type[BaseModel] | None, place: _Path) -> dict[str, FieldInfo]:
    """The fields that a group of the file may have, by their names in the file."""
    found = model
    for part in place:
        if found is not None and str(part) in (known := _by_key(found)):
            found = next(_models(known[str(part)].annotation), None)
    return {} if found is None else _by_key(found)


def _by_key(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
