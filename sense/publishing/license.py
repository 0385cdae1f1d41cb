"""Licences as the Hub spells them in the front matter of a card."""

from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

_NAMES = """
    afl-3.0 agpl-3.0 apache-2.0 apple-ascl apple-amlr artistic-2.0 bigcode-openrail-m
    bigscience-bloom-rail-1.0 bigscience-openrail-m bsd bsd-2-clause bsd-3-clause
    bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0
    cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
    cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0
    epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 gemma gfdl gpl gpl-2.0 gpl-3.0 h-research
    intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3
    llama4 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 open-mdw openrail openrail++
    osl-3.0 other pddl postgresql unknown unlicense wtfpl zlib
"""
HUB_LICENSES = frozenset(_NAMES.split())


def check_license(name: str) -> str:
    """The name itself; raises ValueError for one that the Hub does not know.

    >>> check_license("apache-2.0")
    'apache-2.0'
    """
    if name in HUB_LICENSES:
        return name
    folded = "-".join(name.lower().split())
    close = get_close_matches(folded, sorted(HUB_LICENSES), n=1, cutoff=0.6)
    hint = f"closest match: '{close[0]}'; " if close else ""
    raise ValueError(
        f"--license '{name}' is no licence that the Hub knows; {hint}use 'other' for a licence "
        "without an id, and 'unknown' where none is stated"
    )


SHARE_ALIKE = frozenset(name for name in HUB_LICENSES if "-sa-" in name)
"""What is made from rows under these may be passed on only under the same licence."""


class Seed(NamedTuple):
    """A set that people wrote, over whose databases others write rows."""

    name: str
    url: str
    license: str
    files: tuple[str, ...]
    """Any of them beside its databases tells it."""


SEEDS = (
    Seed(
        "Spider",
        "https://yale-lily.github.io/spider",
        "cc-by-sa-4.0",
        ("train_spider.json", "dev_gold.sql", "train_gold.sql"),
    ),
    Seed(
        "BIRD",
        "https://bird-bench.github.io",
        "cc-by-sa-4.0",
        ("train_tables.json", "dev_tables.json", "train_databases", "dev_databases"),
    ),
)


def seed_of(databases: str | Path) -> Seed | None:
    """The human set that the folder of databases belongs to, by the files beside it."""
    folder = Path(databases).resolve()
    places = (folder, folder.parent)
    return next(
        (
            seed
            for seed in SEEDS
            if any((place / name).exists() for place in places for name in seed.files)
        ),
        None,
    )


def inherited_license(databases: str | Path, given: str) -> str:
    """The licence of rows over the databases: that of the human set where they belong to one.

    given: what the user said, `unknown` where nothing. Raises ValueError where both differ.
    """
    seed = seed_of(databases)
    if seed is None or given == seed.license:
        return given
    if given != "unknown":
        raise ValueError(
            f"--license {given}: the databases of {databases} are those of {seed.name}, whose "
            f"licence {seed.license} is share-alike and passes to rows made over them; leave "
            "--license out"
        )
    return seed.license
