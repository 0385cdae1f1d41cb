"""The plan of a strong set: target shares of hardness, question style, SQL features and domains.

Hardness, style and domain divide the rows, so their shares are parts of a whole and need not sum
to 1. A row has any number of SQL features: the share of a feature is the share of rows that have
it, at all levels alike or by level. `default.yaml` is the plan of the package.
"""

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from sense.coverage.styles import ASKED_STYLES
from sense.example import HARDNESS_LEVELS
from sense.hardness import FEATURES
from sense.inputs.reading import read_text
from sense.shown import counted

DEFAULT_PLAN = "default.yaml"
KEYS = ("hardness", "style", "feature", "domain")
EQUAL = "equal"
"""Instead of shares of domains: all domains alike."""


class PlanError(ValueError):
    """A plan that is not written as expected; the message names the key."""


@dataclass(frozen=True)
class Plan:
    """Target shares; those of hardness, style and domain sum to 1 each."""

    name: str
    """`default`, or the name of the file."""
    hardness: Mapping[str, float]
    style: Mapping[str, float]
    feature: Mapping[str, Mapping[str, float]]
    """Feature -> level -> share of the level's rows that have it."""
    domain: Mapping[str, float]
    """Empty where all domains shall be alike."""

    def domains_of(self, names: list[str]) -> dict[str, float]:
        """Shares of the domains at hand, which sum to 1; a domain that the plan omits gets 0.

        Raises PlanError for a planned domain that is not at hand.
        """
        if not self.domain:
            return dict.fromkeys(names, 1 / len(names)) if names else {}
        absent = [name for name in self.domain if name not in names]
        if absent:
            raise PlanError(
                f"plan '{self.name}': domain '{absent[0]}' is not among the "
                f"{counted(len(names), 'domain')} of this run{_closest(absent[0], names)}; "
                "correct its name or give databases of it"
            )
        return _normalized({name: self.domain.get(name, 0.0) for name in names})


def read_plan(source: str = "default") -> Plan:
    """The plan of a YAML file, or `default`. Raises PlanError, FileNotFoundError.

    >>> sum(read_plan().style.values())
    1.0
    """
    if source == "default":
        text = importlib.resources.files("sense.coverage").joinpath(DEFAULT_PLAN).read_text("utf-8")
        return parse_plan(text, source)
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(
            f"--plan {source} is no file; expected a YAML file with the keys {', '.join(KEYS)}, or "
            "the word default"
        )
    return parse_plan(read_text(path), path.name)


def parse_plan(text: str, name: str = "plan") -> Plan:
    """The plan in a YAML text; a key that it lacks is that of the default plan.

    >>> plan = parse_plan("hardness: {easy: 1, extra: 3}")
    >>> plan.hardness
    {'easy': 0.25, 'medium': 0.0, 'hard': 0.0, 'extra': 0.75}
    """
    try:
        root = yaml.safe_load(text)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise PlanError(f"plan '{name}' is not YAML: {said}") from error
    root = _mapping(root, f"plan '{name}'", KEYS)
    base = None if name == "default" else read_plan()

    def shares(key: str, known: tuple[str, ...]) -> dict[str, float]:
        where = f"plan '{name}', key '{key}'"
        found = _mapping(root[key], where, known)
        parts = {item: _number(part, f"{where}, '{item}'") for item, part in found.items()}
        if not sum(parts.values()):
            raise PlanError(f"{where} asks for nothing; expected at least one share above 0")
        return _normalized({item: parts.get(item, 0.0) for item in known or parts})

    def or_default(key: str, read: Any) -> Any:
        return read() if key in root or base is None else getattr(base, key)

    return Plan(
        name=name,
        hardness=or_default("hardness", lambda: shares("hardness", HARDNESS_LEVELS)),
        style=or_default("style", lambda: shares("style", tuple(ASKED_STYLES))),
        feature=or_default("feature", lambda: _features(root["feature"], name)),
        domain=or_default(
            "domain", lambda: {} if root["domain"] == EQUAL else shares("domain", ())
        ),
    )


def _features(found: Any, name: str) -> dict[str, dict[str, float]]:
    where = f"plan '{name}', key 'feature'"
    planned: dict[str, dict[str, float]] = {}
    for feature, value in _mapping(found, where, FEATURES).items():
        place = f"{where}, '{feature}'"
        if isinstance(value, Mapping):
            by_level = _mapping(value, place, HARDNESS_LEVELS)
        else:
            by_level = dict.fromkeys(HARDNESS_LEVELS, value)
        planned[feature] = {
            level: _number(by_level.get(level, 0.0), f"{place}, '{level}'", 1.0)
            for level in HARDNESS_LEVELS
        }
    return planned


def _mapping(value: Any, where: str, known: tuple[str, ...]) -> dict[str, Any]:
    """The value with keys among the known ones; any where none are given."""
    if not isinstance(value, Mapping):
        raise PlanError(
            f"{where} is {value!r}; expected lines of the form 'name: share'"
            + (f" with the names {', '.join(known)}" if known else "")
        )
    for key in value:
        if not isinstance(key, str) or (known and key not in known):
            raise PlanError(
                f"{where} has no entry '{key}'{_closest(str(key), known)}; expected "
                f"{', '.join(known) or 'names of domains'}"
            )
    return dict(value)


def _number(value: Any, where: str, highest: float = float("inf")) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= highest:
        limit = "a share from 0 to 1" if highest == 1 else "a number of 0 or more"
        raise PlanError(f"{where} is {value!r}; expected {limit}")
    if value == float("inf"):
        raise PlanError(f"{where} is infinite; expected a finite number of 0 or more")
    return float(value)


def _normalized(parts: Mapping[str, float]) -> dict[str, float]:
    whole = sum(parts.values())
    if not whole:
        raise PlanError(f"the shares of {', '.join(parts)} are all 0; expected one above 0")
    return {name: part / whole for name, part in parts.items()}


def _closest(name: str, known: Any) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; closest match: '{close[0]}'" if close else ""
