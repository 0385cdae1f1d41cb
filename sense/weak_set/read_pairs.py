"""What people who read pairs found: chosen answers that are wrong, rejected ones that are right."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sense.inputs.reading import json_object, read_lines, texts_of

JUDGEMENTS = ("right", "wrong", "unsure")


class Share(NamedTuple):
    """So many of so many."""

    hits: int
    num: int

    @property
    def value(self) -> float:
        return self.hits / self.num if self.num else math.nan


class ReadPairs(NamedTuple):
    """What people found who read pairs."""

    chosen_wrong: Share
    rejected_right: Share


def parse_share(text: str) -> Share:
    """A share written as `HITS/NUM`.

    >>> parse_share("2279/2324")
    Share(hits=2279, num=2324)
    """
    hits, _, num = text.partition("/")
    if not (hits.isdecimal() and num.isdecimal() and 0 <= int(hits) <= int(num) != 0):
        raise ValueError(f"'{text}' is no share; expected two counts such as 9/300: so many of all")
    return Share(int(hits), int(num))


def read_errors(text: str) -> dict[str, ReadPairs]:
    """What reading found: `CHOSEN_WRONG/READ,REJECTED_RIGHT/READ`, or a file of the pairs read.

    The file has a JSON object per line with `db_id`, `chosen` and `rejected`, each of the last two
    `right`, `wrong` or `unsure`, which does not count. By database, or under "" for counts.
    """
    if not Path(text).is_file():
        parts = text.split(",")
        if len(parts) != 2 or "/" not in text:
            raise ValueError(
                f"'{text}' is no file and no two shares; expected CHOSEN_WRONG/READ,REJECTED_RIGHT"
                "/READ such as 9/300,6/300, or JSON lines with db_id, chosen and rejected"
            )
        return {"": ReadPairs(*map(parse_share, parts))}
    counts: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for number, line in enumerate(read_lines(Path(text)), start=1):
        place = f"{text}, line {number}"
        db_id, *sides = texts_of(json_object(line, place), ("db_id", "chosen", "rejected"), place)
        for side, found in zip(ReadPairs._fields, sides, strict=True):
            if found not in JUDGEMENTS:
                raise ValueError(
                    f"{place} says '{found}' of an answer; expected {', '.join(JUDGEMENTS)}"
                )
            counts[db_id][side, found] += 1
    found_by = {db_id: _read_pairs(count) for db_id, count in counts.items()}
    if not all(share.num for share in together(found_by.values())):
        raise ValueError(f"{text} holds no pair of which a side was judged; read some pairs first")
    return found_by


def together(found: Iterable[ReadPairs]) -> ReadPairs:
    """All that was found."""
    chosen, rejected = (
        Share(sum(share.hits for share in side), sum(share.num for share in side))
        for side in zip(*found, strict=True)
    )
    return ReadPairs(chosen, rejected)


def _read_pairs(count: Counter[tuple[str, str]]) -> ReadPairs:
    chosen, rejected = ReadPairs._fields
    return ReadPairs(
        Share(count[chosen, "wrong"], count[chosen, "wrong"] + count[chosen, "right"]),
        Share(count[rejected, "right"], count[rejected, "wrong"] + count[rejected, "right"]),
    )
