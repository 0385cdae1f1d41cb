"""Answers of a strong model made into a set: asked for in rounds, verified, kept or not.

Replies and verified replies are units of journals. What a request says depends only on rounds that
are over, so a run that was killed asks the same again and pays only for what was in flight.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from tqdm import tqdm

from sense.chat import Chat
from sense.contamination import Benchmark, contamination, database_words
from sense.coverage.asking import plan_domain
from sense.coverage.cells import Dimension, Kept, Slot
from sense.coverage.coverage import Coverage
from sense.coverage.plan import PlanError
from sense.example import Rejected, content_id, to_row
from sense.execution import WorkerFailure, map_in_workers
from sense.facts import Funnel, text_table
from sense.filters import Rejection
from sense.hardness import UnparsedSqlError, hardness
from sense.journal import Journal
from sense.servers.preview import Tried, projection, shown_exchange
from sense.strong_set.collection import Database, database_rows
from sense.strong_set.duplicates import Duplicates, row_keys
from sense.strong_set.splits import Split, split_by_template
from sense.teaching.ledger import DomainLedger, domain_name
from sense.teaching.planning import Teaching, plan_tasks
from sense.teaching.tasks import Ask, Mode, Task
from sense.teaching.verification import Job, Verified, verify_reply
from sense.teaching.votes import voted

ROUND_REQUESTS = 100
"""Requests of a round: what they steer by is what the rounds before gave."""
SURPLUS = 1.25
"""What rounds after the first ask for beyond what is missing, since some of it is rejected."""
MIN_ROUND_REQUESTS = 4
"""Requests of the last rounds: fewer would wait for each other, one round after another."""
MAX_ASKED_PER_EXAMPLE = 4
"""A run that needs more has a teacher that cannot do the work."""
MAX_JOB_SECONDS = 120.0
"""Building, filling and executing take about a second."""
MIN_ASKED = 60
"""Questions that were asked for at a level, or in a style, before it counts as one that the
teacher does not give."""
MIN_GIVEN = 0.02
"""It is given up where fewer came, asked for or not, than this part of those asked for."""

Row: TypeAlias = Mapping[str, Any]
SetFilter: TypeAlias = "Callable[[ProposalSet, Task, Row], Rejection | None]"


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
        """Questions that came, by their measured level and style."""
        self.used: dict[str, tuple[Database, str]] = {}
        """Given databases of kept rows with their `db_sha256`."""
        self._kept: list[tuple[str, int, str]] = []
        self._dropped: list[tuple[str, int, str, Rejection, Mode, str]] = []
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
            self._dropped.append((task.key, -1, group, objection, task.mode, ""))
            return
        for place, (ask, item) in enumerate(zip(task.asks, verified.items, strict=True)):
            self._count_answer(ask, item["row"])
            fault = self._objection(task, item, verified.words)
            if fault:
                self.funnel.drop(fault.reason)
                self._dropped.append((task.key, place, group, fault, task.mode, ask.level))
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
        """Chooses the test split: whole domains by lot until it has `num_test` examples.

        One domain at least is left for training. Of a single given database the SQL template
        decides, as with the grammar.
        """
        sizes = Counter(group for _, _, group in self._kept)
        if self.is_single:
            self._test_share = num_test / max(1, self.num_kept)
            return
        lots = sorted(sizes, key=lambda group: content_id(f"split {seed}", group))
        num = 0
        for group in lots[:-1]:
            if num + sizes[group] <= num_test:
                self._splits[group] = "test"
                num += sizes[group]

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
        for key, place, group, objection, mode, level in self._dropped:
            verified = Verified(*self.journal[key])
            row = verified.items[place]["row"] if place >= 0 else {}
            if self._split(group, row.get("sql", "")) == split and (row or verified.answer):
                yield to_row(_rejected(f"{key} {place}", objection, mode, level, row, verified))

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
        self.modes[task.mode] += 1
        self.funnel.keep()
        if task.database:
            self.used[task.database.db_id] = (task.database, row["db_sha256"])
        else:
            self.ledger.keep(task.domain, row["domain"])

    def _count_answer(self, ask: Ask, row: Row) -> None:
        if not row.get("style") and not row.get("hardness"):
            return
        asked: tuple[tuple[Dimension, str], ...] = (("style", ask.style),)
        if not ask.sql and row.get("hardness"):
            asked = (*asked, ("hardness", ask.level))
        for part in asked:
            self.asked[part] += 1
            self.came[part[0], row.get(part[0], "")] += 1


def is_copied(found: ProposalSet, task: Task, row: Row) -> Rejection | None:
    """The question is that of an example that the request showed."""
    question = row["question"].lower()
    copied = any(question == shot.question.lower() for shot in task.shots)
    return Rejection("copied_example") if copied else None


def is_beyond_quota(found: ProposalSet, task: Task, row: Row) -> Rejection | None:
    """The plan has enough rows of this level, style or domain."""
    slot = found.slot(task, row)
    if found.num_missing <= 0 or not found.coverage.has_room_in_sums(slot):
        return Rejection("beyond_quota", f"{slot.level}, {slot.style or 'no style'}, {slot.domain}")
    return None


def is_full_domain(found: ProposalSet, task: Task, row: Row) -> Rejection | None:
    """The domain that the teacher chose has its quota."""
    if task.database or found.ledger.has_room(row["domain"]):
        return None
    return Rejection("domain_full", domain_name(row["domain"]))


def is_contaminated(found: ProposalSet, task: Task, row: Row) -> Rejection | None:
    """The row is like one of a benchmark."""
    if not found.benchmarks:
        return None
    words = database_words(task.database.path) if task.database else row["schema_words"]
    return contamination(row["question"], row["sql"], frozenset(words), found.benchmarks)


def is_repeated(found: ProposalSet, task: Task, row: Row) -> Rejection | None:
    """An earlier row asks the same, or nearly so; where none does, this is one of them now."""
    home = row["db_id"] if task.database else f"{task.domain}: {domain_name(row['domain'])}"
    return found.duplicates.add(row_keys(home, row["question"], row["sql"]))


SET_FILTERS: tuple[SetFilter, ...] = (
    is_copied,
    is_beyond_quota,
    is_full_domain,
    is_contaminated,
    is_repeated,
)
"""What is checked against the other rows, in order, after `sense.filters.FILTERS`."""


def make_proposals(found: ProposalSet, chat: Chat, teaching: Teaching, num_workers: int) -> None:
    """Runs rounds until the set is full, the money is spent or the teacher gives too little."""
    while tasks := plan_round(found, teaching, num_workers):
        for job in answered(tasks, chat, teaching, found.journal, num_workers):
            found.add(job.task)
        found.num_tasks += len(tasks)
        found.close_round()
        if chat.is_spent:
            return


def plan_round(found: ProposalSet, teaching: Teaching, num_workers: int) -> list[Task]:
    """The next requests; none at the end."""
    missing = found.num_missing
    num = min(
        ROUND_REQUESTS * teaching.num_questions,
        _surplus(missing, teaching) if found.num_tasks and missing else missing,
        MAX_ASKED_PER_EXAMPLE * found.total - found.num_asked,
    )
    if num <= 0:
        return []
    return plan_tasks(
        found.num_tasks, num, found.coverage, found.ledger, found.modes, teaching, num_workers
    )


def _surplus(missing: int, teaching: Teaching) -> int:
    fewest = MIN_ROUND_REQUESTS * teaching.num_questions
    return max(round(missing * SURPLUS + 0.5), min(fewest, 4 * missing))


def answered(
    tasks: Sequence[Task], chat: Chat, teaching: Teaching, journal: Journal, num_workers: int
) -> list[Job]:
    """The tasks that got a reply, each verified and in the journal."""
    last = tasks[-1].number + 1 if tasks else 0
    replies = chat.ask_all([task.request for task in tasks], f"answers to {last:,}")
    jobs = [
        Job(task, reply, chat.model, teaching.license, teaching.contract, teaching.rationale)
        for task, reply in zip(tasks, replies, strict=True)
        if reply
    ]
    waiting = [job for job in jobs if job.task.key not in journal]
    results = map_in_workers(verify_reply, waiting, num_workers, MAX_JOB_SECONDS)
    progress = tqdm(results, desc="verified", total=len(waiting), unit="answer", leave=False)
    verified = (
        Verified(f"verification_{result.status}", result.error)
        if isinstance(result, WorkerFailure)
        else result
        for result in progress
    )
    outcomes: Iterable[Verified | None] = verified
    if teaching.num_votes:
        outcomes = voted(waiting, list(verified), chat, teaching.num_votes, num_workers)
    for job, outcome in zip(waiting, outcomes, strict=True):
        if outcome:
            journal.put(job.task.key, outcome)
    return [job for job in jobs if job.task.key in journal]


def preview(found: ProposalSet, chat: Chat, teaching: Teaching, num: int, num_workers: int) -> str:
    """The first `num` requests with their answers and verdicts, and what the rest would take."""
    tasks = plan_round(found, teaching, num_workers)[:num]
    jobs = answered(tasks, chat, teaching, found.journal, num_workers)
    shown = []
    for job in jobs:
        task, verified = job.task, Verified(*found.journal[job.task.key])
        found.add(task)
        verdicts = [
            item["reject_reason"] or f"good, measured hardness: {item['row']['hardness']}"
            for item in verified.items
        ]
        wanted = ", ".join(f"{ask.level} {ask.style}" for ask in task.asks)
        title = f"answer {task.number + 1}, {task.mode}: {wanted}"
        verdict = verified.reject_reason or "; ".join(verdicts)
        shown.append(shown_exchange(title, task.request, job.reply, verdict))
    tried = Tried([job.reply for job in jobs], found.num_asked, found.num_kept)
    lines = projection(tried, found.num_missing, chat.budget.prices, chat.concurrency)
    table = text_table([("the rest, projected", "about (95 % range)"), *lines])
    return "\n".join([*shown, table])


def _group(task: Task, verified: Verified) -> str:
    """What is kept in one split: a domain, or what the plan calls the domain of a database."""
    if task.database:
        return f"database {plan_domain(task.database)}"
    return domain_name(verified.domain) if verified.domain else ""


def _rejected(
    candidate: str,
    objection: Rejection,
    mode: Mode,
    level: str,
    row: Row,
    verified: Verified,
) -> Rejected:
    texts = ("db_id", "question", "evidence", "sql", "style", "domain", "reasoning", "script")
    try:
        measured = row.get("hardness") or (hardness(row["sql"]) if row.get("sql") else "")
    except UnparsedSqlError:
        measured = ""
    return Rejected(
        candidate=candidate,
        reason=objection.reason,
        detail=objection.detail,
        source="strong",
        teacher=row.get("teacher", ""),
        license=row.get("license", ""),
        mode=mode,
        hardness=measured,
        requested_level=level,
        answer=verified.answer,
        **{name: row.get(name, "") for name in texts},
    )
