"""Verified answers of a strong model made into a set: each kept, or not with a reason.

What is said of a row here depends on the rows before it, so answers are added in the order of their
requests. `sense.teaching.rounds` asks for them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from sense.contamination import Benchmark, contamination, database_words
from sense.coverage.asking import plan_domain
from sense.coverage.cells import Attempts, Dimension, Kept, Part, Slot, Tries
from sense.coverage.coverage import Coverage
from sense.coverage.plan import PlanError
from sense.example import Rejected, content_id, to_row
from sense.facts import Funnel
from sense.filters import Rejection
from sense.hardness import UnparsedSqlError, hardness, sql_features
from sense.journal import Journal
from sense.strong_set.collection import Database, database_rows
from sense.strong_set.duplicates import Duplicates, RowKeys, row_keys
from sense.strong_set.splits import Split, held_out_groups, split_by_template
from sense.teaching.ledger import DomainLedger, domain_name
from sense.teaching.tasks import Ask, Mode, Task
from sense.teaching.verification import Verified

MIN_ASKED = 60
"""Questions that were asked for at a level, or in a style, before it counts as one that the
teacher does not give."""
MIN_GIVEN = 0.1
"""It is asked for no more where it came in fewer of those questions: a row of it would cost more
than ten. What comes of it unasked is still taken, as far as it was planned."""

Row: TypeAlias = Mapping[str, Any]
SetFilter: TypeAlias = "Callable[[ProposalSet, Task, Row], Rejection | None]"


class _Dropped(NamedTuple):
    """A question that was not kept, or a reply none of whose questions is known."""

    key: str
    """Of the verified reply."""
    place: int
    """Of the question in it; -1 for the reply."""
    group: str
    """What is kept in one split."""
    objection: Rejection
    mode: Mode
    ask: Ask | None
    """None where the reply is to several."""


class ProposalSet:
    """The examples of a run: which are kept, and why the others are not.

    Rows stay in the journal; memory grows by a few digests per example.
    """

    def __init__(
        self,
        total: int,
        coverage: Coverage,
        journal: Journal,
        benchmarks: Sequence[Benchmark] = (),
    ) -> None:
        """benchmarks: what no row may be like."""
        self.journal = journal
        self.benchmarks = benchmarks
        self.total = total
        self.coverage = coverage
        self.funnel = Funnel("teacher", unit="questions")
        self.ledger = DomainLedger(total)
        self.modes: Counter[Mode] = Counter()
        """Kept examples by mode."""
        self.num_asked = 0
        """Questions asked for so far."""
        self.num_tasks = 0
        self.duplicates = Duplicates()
        self.votes: Counter[str] = Counter()
        """Kept examples by what the vote on them said: `kept` or `repaired`."""
        self.asked: Counter[tuple[Dimension, str]] = Counter()
        """Questions that came, by the level and the style that was asked for."""
        self.came: Counter[tuple[Dimension, str]] = Counter()
        """Of these those that were as asked when measured."""
        self.used: dict[str, tuple[Database, str]] = {}
        """Given databases of kept rows with their `db_sha256`."""
        self._kept: list[tuple[str, int, str]] = []
        self._dropped: list[_Dropped] = []
        self._splits: dict[str, Split] = {}
        self._test_share = 0.0

    @property
    def num_kept(self) -> int:
        return len(self._kept)

    @property
    def num_missing(self) -> int:
        return self.total - self.num_kept

    def add(self, task: Task) -> None:
        """Takes the verified reply to the task from the journal."""
        verified = Verified(*self.journal[task.key])
        self.num_asked += len(task.asks)
        if verified.domain and not task.database:
            self.ledger.note(verified.domain)
        group = _group(task, verified)
        if verified.reject_reason:
            objection = Rejection(verified.reject_reason, verified.detail)
            self.funnel.drop(objection.reason, len(task.asks))
            ask = task.asks[0] if len(task.asks) == 1 else None
            self._dropped.append(_Dropped(task.key, -1, group, objection, task.mode, ask))
            return
        for place, (ask, item) in enumerate(zip(task.asks, verified.items, strict=True)):
            self._count_answer(ask, item["row"])
            fault = self._objection(task, item, verified.words)
            self._note_tries(task, ask, item["row"], is_kept=not fault)
            if fault:
                self.funnel.drop(fault.reason)
                self._dropped.append(_Dropped(task.key, place, group, fault, task.mode, ask))
            else:
                self._keep(task, item["row"])
                self.votes.update([item["vote"]] if "vote" in item else [])
                self._kept.append((task.key, place, group))

    def close_round(self) -> None:
        """Lets the plan follow the round that is over; names what the teacher does not give."""
        for part, num in self.asked.items():
            if num >= MIN_ASKED and self.came[part] < MIN_GIVEN * num:
                reason = f"asked for {num:,} times, it came {self.came[part]:,} times"
                try:
                    self.coverage.rule_out(*part, reason)
                except PlanError:  # nothing would be left to ask for
                    self.coverage.allow(*part)
        self.coverage.refit()

    def divide(self, num_test: int, seed: int) -> None:
        """Chooses the test split: whole domains by lot, `num_test` examples at most.

        The smallest of several where none has so few; one domain at least is left for training.
        Of a single given database the SQL template decides, as with the grammar.
        """
        sizes = Counter(group for _, _, group in self._kept)
        if self.is_single:
            self._test_share = num_test / max(1, self.num_kept)
            return
        lots = sorted(sizes, key=lambda group: content_id(f"split {seed}", group))
        test = held_out_groups({group: sizes[group] for group in lots}, num_test)
        self._splits = dict.fromkeys(test, "test")

    @property
    def is_single(self) -> bool:
        """Whether all rows are over one given database."""
        return len({group for _, _, group in self._kept}) == 1 and len(self.used) == 1

    def rows(self, split: Split) -> Iterator[dict[str, Any]]:
        """The dataset rows of a split, in the order of the requests."""
        for key, place, group in self._kept:
            row = Verified(*self.journal[key]).items[place]["row"]
            if self._split(group, row["sql"]) == split:
                yield dict(row)

    def rejected(self, split: Split) -> Iterator[dict[str, Any]]:
        """Rows of config `rejected`: what was not kept, in the order of the requests."""
        for dropped in self._dropped:
            verified = Verified(*self.journal[dropped.key])
            row = verified.items[dropped.place]["row"] if dropped.place >= 0 else verified.row
            has_text = any(row.get(name) for name in ("question", "sql")) or verified.answer
            if has_text and self._split(dropped.group, row.get("sql", "")) == split:
                yield to_row(_rejected(dropped, row, verified.answer))

    def database_rows(self) -> Iterator[dict[str, Any]]:
        """Rows of config `databases`, one per database that an example uses."""
        done: set[str] = set()
        for key, _, _ in self._kept:
            row = Verified(*self.journal[key]).database
            if row and row["db_id"] not in done:
                done.add(row["db_id"])
                yield dict(row)
        digests = {db_id: digest for db_id, (_, digest) in self.used.items()}
        databases = [database for database, _ in self.used.values()]
        yield from database_rows(sorted(databases), digests, "strong")

    def slot(self, task: Task, row: Row) -> Slot:
        """Where the plan counts the row: at its measured level and style."""
        return Slot(task.domain, row["hardness"], row["style"])

    def _split(self, group: str, sql: str) -> Split:
        if self._test_share:
            return split_by_template(sql, self._test_share) if sql else "train"
        return self._splits.get(group, "train")

    def _objection(
        self, task: Task, item: Mapping[str, Any], words: Sequence[str]
    ) -> Rejection | None:
        if item["reject_reason"]:
            return Rejection(item["reject_reason"], item["detail"])
        row = {**item["row"], "schema_words": words}
        found = (objects(self, task, row) for objects in SET_FILTERS)
        return next((objection for objection in found if objection), None)

    def _keep(self, task: Task, row: Row) -> None:
        self.coverage.add(Kept(self.slot(task, row), tuple(row["features"])))
        self.duplicates.add(_keys(task, row))
        self.modes[task.mode] += 1
        self.funnel.keep()
        if task.database:
            self.used[task.database.db_id] = (task.database, row["db_sha256"])
        else:
            self.ledger.keep(task.domain, row["domain"])

    def _note_tries(self, task: Task, ask: Ask, row: Row, *, is_kept: bool) -> None:
        """Counts what the teacher made of the features that it was asked to use.

        A question that is dropped and lacks the feature says nothing of it.
        """
        if ask.sql:
            return  # the grammar drew the query
        given = row.get("features") or _features(row.get("sql", ""))
        parts: tuple[Part, ...] = (("hardness", ask.level), ("style", ask.style))
        tries: Attempts = {
            (part, ("feature", name)): Tries(1, 1, name in given, is_kept and name in given)
            for part in parts
            for name in ask.features
            if is_kept or name in given
        }
        self.coverage.note(task.domain, tries)

    def _count_answer(self, ask: Ask, row: Row) -> None:
        if not row.get("style") and not row.get("hardness"):
            return
        asked: tuple[tuple[Dimension, str], ...] = (("style", ask.style),)
        if not ask.sql and row.get("hardness"):
            asked = (*asked, ("hardness", ask.level))
        for part in asked:
            self.asked[part] += 1
            self.came[part] += row.get(part[0], "") == part[1]


def is_copied(found: ProposalSet, task: Task, row: Row) -> Rejection | None:
    """The question is that of an example that the request showed."""
    question = row["question"].lower()
    copied = any(question == shot.question.lower() for shot in task.shots)
    return Rejection("copied_example") if copied else None


def is_contaminated(found: ProposalSet, task: Task, row: Row) -> Rejection | None:
    """The row is like one of a benchmark."""
    if not found.benchmarks:
        return None
    words = database_words(task.database.path) if task.database else row["schema_words"]
    return contamination(row["question"], row["sql"], frozenset(words), found.benchmarks)


def is_repeated(found: ProposalSet, task: Task, row: Row) -> Rejection | None:
    """A kept row asks the same, or nearly so."""
    return found.duplicates.objection(_keys(task, row))


def is_beyond_quota(found: ProposalSet, task: Task, row: Row) -> Rejection | None:
    """The plan has enough rows of this level, style or domain."""
    slot = found.slot(task, row)
    coverage = found.coverage
    has_room = coverage.has_room(slot) or coverage.has_room_in_sums(slot)
    if found.num_missing <= 0 or not has_room:
        return Rejection("beyond_quota", f"{slot.level}, {slot.style or 'no style'}, {slot.domain}")
    return None


def is_full_domain(found: ProposalSet, task: Task, row: Row) -> Rejection | None:
    """The domain that the teacher chose has its quota."""
    if task.database or found.ledger.has_room(row["domain"]):
        return None
    return Rejection("domain_full", domain_name(row["domain"]))


SET_FILTERS: tuple[SetFilter, ...] = (
    is_copied,
    is_contaminated,
    is_repeated,
    is_full_domain,
    is_beyond_quota,
)
"""What is checked against the other rows, in order, after `sense.filters.FILTERS`: what is wrong
with a row comes before that there is no room for it."""


def _features(sql: str) -> Sequence[str]:
    """Those of a query; none where it is no SQL."""
    try:
        return sql_features(sql)
    except UnparsedSqlError:
        return ()


def _keys(task: Task, row: Row) -> RowKeys:
    home = row["db_id"] if task.database else f"{task.domain}: {domain_name(row['domain'])}"
    return row_keys(home, row["question"], row["sql"])


def _group(task: Task, verified: Verified) -> str:
    """What is kept in one split: a domain, or what the plan calls the domain of a database."""
    if task.database:
        return f"database {plan_domain(task.database)}"
    return domain_name(verified.domain) if verified.domain else ""


def _rejected(dropped: _Dropped, row: Row, answer: str) -> Rejected:
    texts = (
        *("teacher", "license", "db_id", "domain", "script"),
        *("question", "evidence", "sql", "style", "reasoning"),
    )
    try:
        measured = row.get("hardness") or (hardness(row["sql"]) if row.get("sql") else "")
    except UnparsedSqlError:
        measured = ""
    return Rejected(
        candidate=f"{dropped.key} {dropped.place}",
        reason=dropped.objection.reason,
        detail=dropped.objection.detail,
        source="strong",
        mode=dropped.mode,
        hardness=measured,
        requested_level=dropped.ask.level if dropped.ask else "",
        requested_style=dropped.ask.style if dropped.ask else "",
        answer=answer,
        **{name: row.get(name, "") for name in texts},
    )
