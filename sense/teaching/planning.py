"""What a round asks of the teacher: the questions that the plan lacks, shared out over requests.

All that is chosen here depends on the rounds before, so that a run that was killed asks the same.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from sense.coverage.asking import plan_domain
from sense.coverage.cells import Slot
from sense.coverage.coverage import Coverage
from sense.coverage.needs import FeatureNeeds, Wish
from sense.coverage.plan import Plan
from sense.coverage.steering import sample_wishes
from sense.example import Hardness
from sense.execution import DatabaseError, WorkerFailure, map_in_workers
from sense.grammar import Candidate
from sense.prompt import PromptContract
from sense.questions.profile import profile_database
from sense.questions.sentence import Style
from sense.servers.server import Request
from sense.strong_set.collection import Database
from sense.strong_set.misses import Misses
from sense.teaching.form import answer_schema
from sense.teaching.ledger import FIELDS, DomainLedger
from sense.teaching.requests import request_messages
from sense.teaching.shots import NUM_SHOTS, Shot
from sense.teaching.showing import shown_schema
from sense.teaching.tasks import Ask, Mode, Task
from sense.teaching.wishing import wisher

MAX_DRAW_SECONDS = 300.0
"""Drawing a few queries takes a second; a database that takes this long gives none."""


class Teaching(NamedTuple):
    """How the teacher is asked, the same in all rounds."""

    shots: Sequence[Shot]
    """Examples to draw from; none where nothing is invented."""
    temperature: float
    max_tokens: int
    contract: PromptContract
    """Of the rows' prompts."""
    license: str
    seed: int
    modes: Mapping[Mode, float]
    """Shares of the rows, which sum to 1."""
    databases: Sequence[Database] = ()
    num_questions: int = 1
    """Asked for in one request."""
    rationale: bool = False
    """Whether the teacher explains each query."""
    num_votes: int = 0
    """Answers to each question, asked without its SQL, that vote on it; 0 = none."""


def teacher_coverage(plan: Plan, total: int, teaching: Teaching) -> Coverage:
    """The coverage of a teacher's set: fields of work to invent in, and the given databases.

    A planned domain that is that of no database is one to invent in.
    """
    at_hand = sorted({plan_domain(database) for database in teaching.databases})
    invented = teaching.modes.get("invent", 0.0)
    fields = [name for name in plan.domain if name not in at_hand] or list(FIELDS)
    if plan.domain:
        names = [*at_hand, *(fields if invented else ())]
        return Coverage(plan, total, plan.domains_of(names))
    # a small set has fewer fields, so that each database gets the questions of a whole request
    num_fields = max(1, round(total * invented) // teaching.num_questions)
    if num_fields < len(fields):
        fields = sorted(Random(f"fields {teaching.seed}").sample(fields, num_fields))
    shares = {name: invented / len(fields) for name in fields if invented}
    if at_hand:
        shares |= {name: (1 - invented) / len(at_hand) for name in at_hand}
    return Coverage(plan, total, shares)


def plan_tasks(
    number: int,
    num_asks: int,
    coverage: Coverage,
    ledger: DomainLedger,
    kept_by_mode: Counter[Mode],
    teaching: Teaching,
    num_workers: int,
) -> list[Task]:
    """Requests for `num_asks` questions that the plan lacks; the first has this number."""
    rng = Random(f"round {teaching.seed} {number}")
    missing = [slot for slot, num in coverage.missing().items() for _ in range(num)]
    rng.shuffle(missing)
    while missing and len(missing) < num_asks:
        missing += missing[: num_asks - len(missing)]
    by_domain: defaultdict[str, list[Slot]] = defaultdict(list)
    for slot in missing[:num_asks]:
        by_domain[slot.domain].append(slot)
    wish = wisher(coverage, rng)
    plans = []
    for domain, slots in by_domain.items():
        homes = [db for db in teaching.databases if plan_domain(db) == domain]
        for start in range(0, len(slots), teaching.num_questions):
            cut = tuple(wish(slot) for slot in slots[start : start + teaching.num_questions])
            database = rng.choice(homes) if homes else None
            mode = _mode(teaching.modes, kept_by_mode, bool(homes))
            kept_by_mode = kept_by_mode + Counter({mode: len(cut)})
            plans.append((mode, domain, database, cut))
    drawn = _drawn([p for p in plans if p[0] == "sql"], number, coverage, teaching, num_workers)
    tasks: list[Task] = []
    for mode, domain, database, cut in plans:
        cut = drawn.pop(0) if mode == "sql" else cut
        if cut:
            place = number + len(tasks)
            tasks.append(_task(place, mode, domain, database, cut, ledger, teaching))
    return tasks


def _mode(modes: Mapping[Mode, float], kept: Counter[Mode], is_given: bool) -> Mode:
    """The mode that lags most behind its share, of those that use a database or of the other."""
    able = [mode for mode, share in modes.items() if share and (mode != "invent") == is_given]
    return max(able, key=lambda mode: (modes[mode] * (kept.total() + 1) - kept[mode], mode))


def _drawn(
    plans: Sequence[tuple[Mode, str, Database | None, tuple[Ask, ...]]],
    number: int,
    coverage: Coverage,
    teaching: Teaching,
    num_workers: int,
) -> list[tuple[Ask, ...]]:
    """The asks of each plan with a query of the grammar; those without one are left out."""
    needs = FeatureNeeds(coverage)
    jobs = [
        (
            database.path,
            [(ask, needs.wish(Slot(domain, ask.level, ask.style), 1)) for ask in asks],
            f"sql {teaching.seed} {number} {place}",
        )
        for place, (_, domain, database, asks) in enumerate(plans)
        if database
    ]
    results = map_in_workers(draw_queries, jobs, num_workers, MAX_DRAW_SECONDS)
    return [() if isinstance(result, WorkerFailure) else result for result in results]


def draw_queries(job: tuple[str, list[tuple[Ask, Wish]], str]) -> tuple[Ask, ...]:
    """The asks with queries that the grammar drew for them, without those it has none for.

    Of the styles only a vague question needs a query of its own kind.
    """
    path, asks, seed = job
    plain: Style = "interrogative"
    wishes = [wish if wish.style == "vague" else wish._replace(style=plain) for _, wish in asks]
    drawn: defaultdict[tuple[Hardness, Style], list[Candidate]] = defaultdict(list)
    try:
        for found in sample_wishes(profile_database(path), wishes, seed, Misses()):
            drawn[found.hardness, found.style].append(found)
    except DatabaseError:
        return ()
    filled = []
    for (ask, _), wish in zip(asks, wishes, strict=True):
        if found_here := drawn[wish.level, wish.style]:
            candidate = found_here.pop(0)
            filled.append(ask._replace(sql=candidate.sql, features=candidate.features))
    return tuple(filled)


def _task(
    number: int,
    mode: Mode,
    domain: str,
    database: Database | None,
    asks: tuple[Ask, ...],
    ledger: DomainLedger,
    teaching: Teaching,
) -> Task:
    shots: tuple[Shot, ...] = ()
    rng = Random(f"shots {teaching.seed} {number}")
    if mode == "invent":
        shots = tuple(rng.sample(teaching.shots, NUM_SHOTS))
    request = Request(
        messages=request_messages(
            mode,
            asks,
            field=domain,
            full_domains=ledger.full(domain),
            schema=shown_schema(database.path, asks, rng) if database else "",
            shots=shots,
            rationale=teaching.rationale,
        ),
        temperature=teaching.temperature,
        seed=(teaching.seed * 1_000_003 + number) % 2**31,
        max_tokens=teaching.max_tokens,
        schema=answer_schema(mode, teaching.rationale),
    )
    return Task(number, mode, asks, domain, database, shots, request)
