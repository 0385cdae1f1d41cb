"""Close numbers, and rows matched one to one by them: what equality means under the strict rule.

Closeness does not carry on: of three numbers the middle one may be close to both others, which are
not close to each other. So rows are never put into classes of equal ones; each needs a partner of
its own in the other result, value for value equal or close. Most rows find it by equal keys, see
`Clusters`. Rows of a key that leaves doubt are paired in sorted order, and if that fails by
augmenting paths (Kuhn 1955), within a bound.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, zip_longest
from typing import Any, NamedTuple, TypeAlias

Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = Sequence[Row]

FLOAT_TOLERANCE = 1e-6  # relative; forgives a query that rounds to seven digits where gold does not
ZERO_TOLERANCE = 1e-12  # absolute; for sums that should cancel out
LAST_BITS = 1e-11  # relative; sums of the same numbers in another order differ by less
MIN_TRIALS = 10_000  # rows held against each other in one matching; 20 rows need 20^3 at most
TRIALS_PER_ROW = 5  # more of them for each row: a few seconds for 100,000 rows


def are_close(a: float, b: float, tolerance: float = FLOAT_TOLERANCE) -> bool:
    """Whether two numbers, of which one must be a float, differ by no more than the tolerance."""
    has_float = isinstance(a, float) or isinstance(b, float)
    return has_float and math.isclose(a, b, rel_tol=tolerance, abs_tol=ZERO_TOLERANCE)


def are_rows_close(first: Row, second: Row) -> bool:
    """Whether each value equals the one in its place, or is close to it.

    >>> are_rows_close((1, "a", 0.3), (1.0, "a", 0.1 + 0.2)), are_rows_close((10**7,), (10**7 + 1,))
    (True, False)
    """
    return len(first) == len(second) and all(
        a == b or (_is_number(a) and _is_number(b) and are_close(a, b))
        for a, b in zip(first, second, strict=True)
    )


def is_same_bag(first: Iterable[Any], second: Iterable[Any]) -> bool:
    """Whether they hold the same things equally often, 1 and 1.0 being the same."""
    return dict.__eq__(Counter(first), Counter(second))  # Counter's own method is slow Python


def are_bags_close(first: Rows, second: Rows) -> bool:
    """Whether the rows can be matched one to one so that those of each pair are close.

    Rows for which no matching is found within the bound count as not close.

    >>> are_bags_close([(1.0,), (1.0000008,)], [(1.0000016,), (1.0000008,)])
    True
    >>> are_bags_close([(1.0,), (1.0,)], [(1.0000016,), (1.0000008,)])
    False
    """
    if is_same_bag(first, second):
        return True
    if len(first) != len(second) or len(first[0]) != len(second[0]):
        return False
    return are_columns_close(*to_columns(first, second))


class Column(NamedTuple):
    """One column of a result."""

    values: Row
    merged: Row
    """The values, each number as the least of its cluster."""
    has_float: bool


class Clusters(NamedTuple):
    """Numbers of two results by chains: close ones share a cluster, others may share it too."""

    least: dict[float, float]
    """For each number that is not the least of its cluster, that least one."""
    loose: frozenset[float]
    """The least numbers of clusters in which not every two numbers are equal or close."""


def to_columns(first: Rows, second: Rows) -> tuple[list[Column], list[Column], frozenset[float]]:
    """The columns of two results, neither of them empty, and the loose clusters among them."""
    sides = [list(zip(*rows, strict=True)) for rows in (first, second)]
    least, loose = _clusters([values for columns in sides for values in columns])

    def column(values: Row) -> Column:
        merged = tuple(map(least.get, values, values)) if least else values
        return Column(values, merged, float in {*map(type, values)})

    mine, theirs = ([column(values) for values in columns] for columns in sides)
    return mine, theirs, loose


def are_columns_close(
    mine: Sequence[Column],
    theirs: Sequence[Column],
    loose: frozenset[float],
    trials: Iterator[int] | None = None,
) -> bool:
    """Whether the rows that the columns make up can be matched, as in `are_bags_close`.

    trials: as many as it yields are made, in place of a number for each matching.
    """
    my_keys, their_keys = _keys(mine, theirs)
    if not is_same_bag(my_keys, their_keys):
        return False
    groups = _groups(my_keys, their_keys, loose)
    return all(
        _have_partners(*_loose_rows(key, group, mine, theirs, loose), trials)
        for key, group in groups.items()
    )


def first_without_partner(first: Rows, second: Rows) -> int | None:
    """The index of a row of the first result for which the second has no partner; None if all have.

    Rows with a partner of the same values keep it, or take another; of the rest it is the first
    whose partner would have to come from a row before it, or is not found within the bound.

    >>> first_without_partner([(1.0,), (1.0,)], [(1.0000008,), (1.0000016,)])
    1
    """
    if not first:
        return None
    if not second or len(first[0]) != len(second[0]):
        return 0
    mine, theirs, loose = to_columns(first, second)
    my_keys, their_keys = _keys(mine, theirs)
    found = []
    left = Counter(their_keys)
    for index, key in enumerate(my_keys):
        left[key] -= 1
        if left[key] < 0 and loose.isdisjoint(key):
            found.append(index)
            break
    for key, group in _groups(my_keys, their_keys, loose).items():
        place = _first_without(*_loose_rows(key, group, mine, theirs, loose))
        if place is not None:
            found.append(group[0][place])
    return min(found, default=None)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _is_near(a: float, b: float) -> bool:
    """Whether they would be close if one were a float."""
    return math.isclose(a, b, rel_tol=FLOAT_TOLERANCE, abs_tol=ZERO_TOLERANCE)


def _clusters(columns: Sequence[Row]) -> Clusters:
    floats = {v for values in columns for v in values if v.__class__ is float}
    if not floats:
        return Clusters({}, frozenset())
    integers = {v for values in columns for v in values if v.__class__ is int}
    least: dict[float, float] = {}
    loose = set()
    for run in _near_runs(sorted(floats | integers)):  # of 1 and 1.0 the float stays
        for cluster in [run] if integers.isdisjoint(run) else _linked(run):
            least.update(dict.fromkeys(cluster[1:], cluster[0]))
            if not _is_near(cluster[0], cluster[-1]) or len(integers.intersection(cluster)) > 1:
                loose.add(cluster[0])
    return Clusters(least, frozenset(loose))


def _near_runs(numbers: list[float]) -> Iterator[list[float]]:
    """Those parts of sorted numbers, of two or more, in which each is near to the next."""
    start = 0
    for end, (number, following) in enumerate(pairwise((*numbers, math.nan)), start=1):
        if not math.isclose(number, following, rel_tol=FLOAT_TOLERANCE, abs_tol=ZERO_TOLERANCE):
            if end - start > 1:
                yield numbers[start:end]
            start = end


def _linked(run: list[float]) -> list[list[float]]:
    """A sorted run of near numbers, cut between two where no float is close to both."""
    next_floats = []
    next_float = math.inf
    for number in reversed(run):
        next_float = number if number.__class__ is float else next_float
        next_floats.append(next_float)
    parts = [[run[0]]]
    last_float = -math.inf
    for (number, following), next_float in zip(pairwise(run), next_floats[-2::-1], strict=True):
        last_float = number if number.__class__ is float else last_float
        if _is_near(last_float, following) or _is_near(number, next_float):
            parts[-1].append(following)
        else:
            parts.append([following])
    return parts


def _keys(mine: Sequence[Column], theirs: Sequence[Column]) -> tuple[list[Row], list[Row]]:
    """For each row of both sides what rows that are close share; others may share it too."""
    pairs = [
        (one.merged, other.merged) if one.has_float or other.has_float else (one[0], other[0])
        for one, other in zip(mine, theirs, strict=True)
    ]
    my_columns, their_columns = zip(*pairs, strict=True)
    return list(zip(*my_columns, strict=True)), list(zip(*their_columns, strict=True))


Group: TypeAlias = tuple[list[int], list[int]]
"""The indexes of the rows of one key on both sides."""


def _groups(
    my_keys: Iterable[Row], their_keys: Iterable[Row], loose: frozenset[float]
) -> dict[Row, Group]:
    """The rows with numbers of loose clusters."""
    groups: dict[Row, Group] = defaultdict(lambda: ([], []))
    if not loose:
        return groups
    for side, keys in enumerate((my_keys, their_keys)):
        for index, key in enumerate(keys):
            if not loose.isdisjoint(key):
                groups[key][side].append(index)
    return groups


def _loose_rows(
    key: Row,
    group: Group,
    mine: Sequence[Column],
    theirs: Sequence[Column],
    loose: frozenset[float],
) -> tuple[Rows, Rows]:
    """Of the rows of a group those values that are numbers of loose clusters."""
    places = [place for place, value in enumerate(key) if value in loose]
    my_rows, their_rows = (
        [tuple([columns[place].values[index] for place in places]) for index in indexes]
        for columns, indexes in zip((mine, theirs), group, strict=True)
    )
    return my_rows, their_rows


def _have_partners(mine: Rows, theirs: Rows, trials: Iterator[int] | None = None) -> bool:
    """Whether equally many rows of numbers can be matched.

    In order of size the numbers of one column are near in pairs, or cannot be matched at all. This
    decides on a column of floats; with several columns, or integers among the floats, it need not.
    """
    if len(mine) == 1:
        return are_rows_close(mine[0], theirs[0])
    for values, others in zip(zip(*mine, strict=True), zip(*theirs, strict=True), strict=True):
        if not all(map(_is_near, sorted(values), sorted(others))):
            return False
    if _are_close_in_order(mine, theirs):
        return True
    first, second = (mine, theirs) if sorted(mine) <= sorted(theirs) else (theirs, mine)
    return _first_unmatched(first, second, trials) is None


def _first_without(mine: Rows, theirs: Rows) -> int | None:
    if len(mine) == len(theirs) and _are_close_in_order(mine, theirs):
        return None
    return _first_unmatched(mine, theirs)


def _are_close_in_order(mine: Rows, theirs: Rows) -> bool:
    return all(map(are_rows_close, sorted(mine), sorted(theirs)))


def _first_unmatched(mine: Rows, theirs: Rows, trials: Iterator[int] | None = None) -> int | None:
    """The index of the first of my rows of numbers that no augmenting path gives a partner."""
    trials = trials or iter(range(MIN_TRIALS + TRIALS_PER_ROW * len(mine)))
    if not theirs:
        return 0
    # Most distinct numbers, so that fewest rows are near in it.
    column = max(range(len(theirs[0])), key=lambda place: len({row[place] for row in theirs}))
    order = sorted(range(len(theirs)), key=lambda index: theirs[index][column])
    numbers = [theirs[index][column] for index in order]
    owner, held = _same_values(mine, theirs)

    def find_partner(start: int) -> bool:
        """Gives my row a partner, and where it was taken its owner another, and so on."""
        reached_from: dict[int, int] = {}
        waiting = deque([start])
        while waiting:
            index = waiting.popleft()
            for place in _nearest_first(mine[index][column], numbers):
                if next(trials, None) is None:
                    return False
                other: int | None = order[place]
                if other in reached_from or not are_rows_close(mine[index], theirs[order[place]]):
                    continue
                reached_from[order[place]] = index
                if other in owner:
                    waiting.append(owner[order[place]])
                    continue
                while other is not None:
                    taker = reached_from[other]
                    owner[other] = taker
                    held[taker], other = other, held.get(taker)
                return True
        return False

    return next((i for i in range(len(mine)) if i not in held and not find_partner(i)), None)


def _same_values(mine: Rows, theirs: Rows) -> tuple[dict[int, int], dict[int, int]]:
    """Rows of the same values in pairs: my index for theirs, and their index for mine."""
    free = defaultdict(list)
    for index in reversed(range(len(theirs))):
        free[theirs[index]].append(index)
    held = {index: free[row].pop() for index, row in enumerate(mine) if free.get(row)}
    return {theirs: mine for mine, theirs in held.items()}, held


def _nearest_first(number: float, numbers: list[float]) -> Iterator[int]:
    """The indexes of those sorted numbers that may be near to it, from it outwards."""
    margin = (
        0.0 if math.isinf(number) else 1.01 * max(FLOAT_TOLERANCE * abs(number), ZERO_TOLERANCE)
    )
    middle = bisect_left(numbers, number)
    above = range(middle, bisect_right(numbers, number + margin))
    below = range(middle - 1, bisect_left(numbers, number - margin) - 1, -1)
    for pair in zip_longest(above, below):
        yield from (index for index in pair if index is not None)
