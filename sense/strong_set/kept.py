"""What a run remembers of each row that it keeps: 20 bytes, so that a million rows take 20 MB.

The rows themselves lie in the journal.
"""

from array import array
from collections.abc import Iterable, Iterator

from sense.example import content_id

DIGEST_CHARS = 16
"""64 bits: among the million questions of one database two would be alike by chance in 1 of 37
million runs."""


class Places:
    """Unit and position of rows, in the order in which they were added, unit after unit.

    >>> places = Places()
    >>> for key, position in (("a", 0), ("a", 2), ("b", 1)):
    ...     places.add(key, position)
    >>> len(places), [(key, list(positions)) for key, positions in places]
    (3, [('a', [0, 2]), ('b', [1])])
    """

    def __init__(self) -> None:
        self._units: list[tuple[str, array[int]]] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[tuple[str, "array[int]"]]:
        """The key of each unit with the positions of its rows."""
        return iter(self._units)

    def add(self, key: str, position: int) -> None:
        if not self._units or self._units[-1][0] != key:
            self._units.append((key, array("I")))
        self._units[-1][1].append(position)
        self._size += 1


class Texts:
    """Digests of the questions and queries that were kept of each database.

    Those of one database at a time are held as a set, which takes ten times the memory: quick while
    the units of a database follow each other.

    >>> texts = Texts()
    >>> digest = text_digest("How many cats?")
    >>> texts.add("zoo", digest)
    >>> texts.has("zoo", text_digest("how many cats?")), texts.has("ZOO", digest)
    (True, False)
    """

    def __init__(self) -> None:
        self._digests: dict[str, array[int]] = {}
        self._db_id = ""
        self._at_hand: set[int] = set()

    def has(self, db_id: str, digest: int) -> bool:
        if db_id != self._db_id:
            self._db_id, self._at_hand = db_id, set(self._digests.get(db_id, ()))
        return digest in self._at_hand

    def of(self, db_id: str) -> "array[int]":
        """All digests of the database."""
        return self._digests.get(db_id, array("Q"))

    def add(self, db_id: str, digest: int) -> None:
        """Adds a text that is new: `has` was asked before."""
        assert not self.has(db_id, digest)
        self._at_hand.add(digest)
        self._digests.setdefault(db_id, array("Q")).append(digest)


class Seen:
    """Questions and queries not asked again: those of a unit, and by digest those of the set.

    >>> seen = Seen([text_digest("How many cats?")])
    >>> seen.update(["How many dogs?"])
    >>> [text in seen for text in ("How many cats?", "How many dogs?", "How many owls?")]
    [True, True, False]
    """

    def __init__(self, earlier: Iterable[int] = ()) -> None:
        self._earlier = frozenset(earlier)
        self._texts: set[str] = set()

    def __contains__(self, text: str) -> bool:
        if text in self._texts:
            return True
        return bool(self._earlier) and text_digest(text) in self._earlier

    def update(self, texts: Iterable[str]) -> None:
        self._texts.update(texts)


def text_digest(text: str) -> int:
    """The same for texts that differ in case only.

    Queries that differ in nothing else are rare, and one of them is enough.
    """
    return int(content_id(text.lower())[:DIGEST_CHARS], 16)
