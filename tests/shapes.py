"""How tests check the shapes and types in signatures: as beartype does, but an int is a float."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
