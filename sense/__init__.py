"""SENSE kit: databases in, a released text-to-SQL model out.

The engine for other projects, documented in `sense.api`; each name is loaded when it is first used:

    from sense import equal, execute, execution_reward, explain, judge, score

All other modules are imported by name (`from sense.schema import read_schema`). Importing this
package loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sense.api import equal, execute, judge, score
    from sense.verdict import execution_reward
    from sense.witnesses.explanation import explain

__all__ = ["equal", "execute", "execution_reward", "explain", "judge", "score"]

PLACES = {"explain": "sense.witnesses.explanation", "execution_reward": "sense.verdict"}
"""Module of each name that does not stand in `sense.api`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sense' has no attribute '{name}'")
    return getattr(import_module(PLACES.get(name, "sense.api")), name)
