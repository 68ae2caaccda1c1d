"""What viewers ask, from ``data/questions.toml``. A family is one wish in many wordings.

``GENERAL`` families are asked about whatever is on air; ``SPECIAL`` ones only while a product is on air whose sheet has that
family. ``UNANSWERABLE`` ones stand in no product's FAQ.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files

_DATA: dict[str, dict[str, list[str]]] = tomllib.loads(files(__package__).joinpath("data/questions.toml").read_text("utf-8"))

GENERAL = _DATA["general"]
SPECIAL = _DATA["special"]
UNANSWERABLE = _DATA["unanswerable"]
FAMILIES = {**GENERAL, **SPECIAL, **UNANSWERABLE}
