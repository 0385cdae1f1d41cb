"""Proposals of a strong model made into examples: asked for in rounds, built, filled, executed.

Replies and verified proposals are units of journals. What a request says depends only on rounds
that are over, so a run that was killed asks the same again and pays only for what was in flight.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tqdm import tqdm

from sense.chat import Chat
from sense.collection import ROWS_PER_TABLE, num_rows
from sense.database import (
    ScriptError,
    build_database,
    database_script,
    database_sha256,
    fill_database,
)
from sense.example import Example, content_id, to_row
from sense.execution import WorkerFailure, map_in_workers
from sense.facts import Funnel
from sense.filling.literals import query_literals
from sense.filling.rows import FillError
from sense.gold import GoldCheck
from sense.hardness import hardness, normalize_sql, sql_features
from sense.journal import Journal
from sense.prompt import PromptContract, completion_messages, prompt_messages
from sense.schema import read_schema
from sense.server import Reply, Request
from sense.splits import Split
from sense.strong import shares
from sense.teacher import (
    NUM_SHOTS,
    Level,
    Proposal,
    Shot,
    common_domains,
    domain_name,
    parse_proposal,
    teacher_messages,
)
from sense.verdict import Unit, check_gold, judge

ROUND_REQUESTS = 100
"""Requests of a round: the domains it steers away from are those of the rounds before."""
SURPLUS = 1.25
"""What rounds after the first ask for beyond what is missing, since some of it is rejected."""
MAX_REQUESTS_PER_EXAMPLE = 4
"""A run that needs more has a teacher that cannot do the work."""
MAX_FILLS = 3
"""Sets of rows that are tried until the query returns something that says something."""
MAX_JOB_SECONDS = 120.0
"""Building, filling and executing take about a second."""


class Task(NamedTuple):
    """One request to the teacher."""

    number: int
    level: Level
    shots: tuple[Shot, ...]
    request: Request

    @property
    def key(self) -> str:
        """Of the verified reply in the journal: another request has another one."""
        return f"{self.number} {self.request.key('')[:16]}"


class Job(NamedTuple):
    """A reply to be verified, with all that decides the example."""

    task: Task
    reply: Reply
    teacher: str
    license: str
    contract: PromptContract
    rationale: bool = False
    """Whether the task asked for one."""


class ProposalSet:
    """The examples of a run: which are kept, and why the others are not.

    Rows stay in the journal; memory grows by a few digests per example.
    """

    def __init__(self, total: int, levels: Mapping[Level, float], journal: Journal) -> None:
        self.journal = journal
        self.total = total
        self.funnel = Funnel("teacher", unit="answers")
        self.missing: Counter[Level] = Counter(shares(total, levels))
        self.domains: Counter[str] = Counter()
        """How often each domain was given, kept or not."""
        self._kept: list[tuple[str, str]] = []
        self._seen: set[bytes] = set()
        self._splits: dict[str, Split] = {}

    @property
    def num_kept(self) -> int:
        return len(self._kept)

    @property
    def num_missing(self) -> int:
        return self.total - self.num_kept

    def add(self, task: Task) -> None:
        """Takes the verified reply to the task from the journal."""
        result = self.journal[task.key]
        if result["domain"]:
            self.domains[domain_name(result["domain"])] += 1
        reason = result["reject_reason"] or ("" if self.num_missing else "beyond_quota")
        reason = reason or self._repeated(result["row"], task)
        if reason:
            self.funnel.drop(reason)
            return
        self._kept.append((task.key, domain_name(result["domain"])))
        self.missing[task.level] -= 1
        self.funnel.keep()

    def divide(self, num_test: int, seed: int) -> None:
        """Chooses the test split: whole domains by lot until it has `num_test` examples.

        One domain at least is left for training.
        """
        sizes = Counter(domain for _, domain in self._kept)
        lots = sorted(sizes, key=lambda domain: content_id(f"split {seed}", domain))
        num = 0
        for domain in lots[:-1]:
            if num + sizes[domain] <= num_test:
                self._splits[domain] = "test"
                num += sizes[domain]

    def rows(self, split: Split) -> Iterator[dict[str, Any]]:
        """The dataset rows of a split, in the order of the requests."""
        for key, domain in self._kept:
            if self._splits.get(domain, "train") == split:
                yield self.journal[key]["row"]

    def database_rows(self) -> Iterator[dict[str, Any]]:
        """Rows of config `databases`, one per database that an example uses."""
        done: set[str] = set()
        for key, _ in self._kept:
            row = self.journal[key]["database"]
            if row["db_id"] not in done:
                done.add(row["db_id"])
                yield row

    def _repeated(self, row: Mapping[str, Any], task: Task) -> str:
        """Why the example adds nothing to those before it; "" when it does."""
        question = row["question"].lower()
        if any(question == shot.question.lower() for shot in task.shots):
            return "copied_example"
        words = {
            "duplicate_question": content_id(question),
            "duplicate_sql": content_id(row["domain"].lower(), normalize_sql(row["sql"])),
        }
        digests = {name: bytes.fromhex(text)[:16] for name, text in words.items()}
        repeated = next((name for name, digest in digests.items() if digest in self._seen), "")
        if not repeated:
            self._seen.update(digests.values())
        return repeated


class Teaching(NamedTuple):
    """How the teacher is asked, the same in all rounds."""

    shots: Sequence[Shot]
    """Examples to draw from."""
    temperature: float
    max_tokens: int
    contract: PromptContract
    """Of the rows' prompts."""
    license: str
    seed: int
    rationale: bool = False
    """Whether the teacher explains each query."""


def make_proposals(found: ProposalSet, chat: Chat, teaching: Teaching, num_workers: int) -> None:
    """Runs rounds until the set is full, the money is spent or the teacher gives too little."""
    num_asked = 0
    while tasks := plan_round(num_asked, found, teaching):
        num_asked += len(tasks)
        for job in answered(tasks, chat, teaching, found.journal, num_workers):
            found.add(job.task)
        if chat.is_spent:
            return


def answered(
    tasks: Sequence[Task], chat: Chat, teaching: Teaching, journal: Journal, num_workers: int
) -> list[Job]:
    """The tasks that got a reply, each verified and in the journal."""
    replies = chat.ask_all([task.request for task in tasks], f"answers to {tasks[-1].number + 1:,}")
    jobs = [
        Job(task, reply, chat.model, teaching.license, teaching.contract, teaching.rationale)
        for task, reply in zip(tasks, replies, strict=True)
        if reply
    ]
    waiting = [job for job in jobs if job.task.key not in journal]
    results = map_in_workers(verify_reply, waiting, num_workers, MAX_JOB_SECONDS)
    progress = tqdm(results, desc="verified", total=len(waiting), unit="answer", leave=False)
    for job, result in zip(waiting, progress, strict=True):
        if isinstance(result, WorkerFailure):
            reason = f"verification_{result.status}"
            result = {"reject_reason": reason, "domain": "", "row": None, "database": None}
        journal.put(job.task.key, result)
    return jobs


def previewed(job: Job, result: dict[str, Any]) -> str:
    """A request and its answer for a person to judge."""
    outcome = result["reject_reason"] or f"good, measured hardness: {result['row']['hardness']}"
    answer = job.reply.choices[0].text if job.reply.choices else job.reply.error
    title = f"=== answer {job.task.number + 1}, level {job.task.level}: {outcome}"
    return f"{title}\n{answer.strip()}\n"


def plan_round(start: int, found: ProposalSet, teaching: Teaching) -> list[Task]:
    """The next requests, levels in the proportions in which they are missing; none at the end."""
    missing = found.num_missing
    num = min(
        ROUND_REQUESTS,
        round(missing * SURPLUS + 0.5) if start and missing else missing,
        MAX_REQUESTS_PER_EXAMPLE * found.total - start,
    )
    if num <= 0:
        return []
    quota = shares(num, {level: max(0, count) for level, count in found.missing.items()})
    levels = [level for level, count in quota.items() for _ in range(count)]
    Random(f"levels {teaching.seed} {start}").shuffle(levels)
    given = common_domains(found.domains)
    tasks = []
    for number, level in enumerate(levels, start):
        shots = Random(f"shots {teaching.seed} {number}").sample(teaching.shots, NUM_SHOTS)
        request = Request(
            messages=teacher_messages(level, shots, given, teaching.rationale),
            temperature=teaching.temperature,
            seed=(teaching.seed * 1_000_003 + number) % 2**31,
            max_tokens=teaching.max_tokens,
        )
        tasks.append(Task(number, level, tuple(shots), request))
    return tasks


def verify_reply(job: Job) -> dict[str, Any]:
    """`{"reject_reason", "domain", "row", "database"}`; the rows are None where it is rejected."""
    rejected = {"reject_reason": job.reply.reject_reason, "domain": "", "row": None}
    rejected |= {"database": None}
    if job.reply.reject_reason:
        return rejected
    [choice, *_] = job.reply.choices
    proposal = parse_proposal(choice.text, job.rationale)
    if isinstance(proposal, str):
        return rejected | {"reject_reason": "answer_cut" if choice.is_cut else proposal}
    with tempfile.TemporaryDirectory(prefix="sense-proposal-") as folder:
        path = Path(folder) / f"{_db_id(proposal)}.sqlite"
        reason = _build(proposal, path)
        if not reason and job.rationale:
            reason = _contradiction(proposal, path)
        if reason:
            return rejected | {"reject_reason": reason, "domain": proposal.domain}
        return {
            "reject_reason": "",
            "domain": proposal.domain,
            "row": to_row(_example(job, proposal, path)),
            "database": _database_row(job, proposal, path),
        }


def _build(proposal: Proposal, path: Path) -> str:
    """Builds and fills the database of the proposal; the reason when it cannot be kept, or ""."""
    status = ""
    for attempt in range(MAX_FILLS):
        try:
            build_database(proposal.script, path)
            schema = read_schema(path)
            if not schema.tables:
                return "schema_empty"
            literals = query_literals(proposal.sql, schema)
            fill_database(path, ROWS_PER_TABLE, attempt, literals)
        except (ScriptError, ValueError) as error:
            return "rows_unfillable" if isinstance(error, FillError) else "schema_syntax"
        status = _status(check_gold(path, proposal.sql))
        if status in ("ok", "error", "refused"):  # other rows change the rest only
            break
    return "" if status == "ok" else f"gold_{status}"


def _contradiction(proposal: Proposal, path: Path) -> str:
    """`rationale_differs` where the query that the reasoning ends with returns something else."""
    _, [judgement] = judge(Unit((str(path),), proposal.sql, (proposal.reasoned_sql,)))
    return "" if judgement.verdict == "correct" else "rationale_differs"


def _status(check: GoldCheck) -> str:
    """That of the check, and `zero` where the result is nothing but zeros."""
    is_zero = all(value in (0, None) for row in check.execution.rows for value in row)
    return "zero" if check.status == "ok" and is_zero else check.status


def _example(job: Job, proposal: Proposal, path: Path) -> Example:
    prompt = prompt_messages(job.contract, path, proposal.question)
    return Example(
        db_id=path.stem,
        question=proposal.question,
        sql=proposal.sql,
        hardness=hardness(proposal.sql),
        gold_status="ok",
        source="strong",
        db_sha256=database_sha256(path),
        license=job.license,
        requested_level=job.task.level,
        features=sql_features(proposal.sql),
        domain=proposal.domain,
        reasoning=proposal.reasoning,
        teacher=job.teacher,
        prompt_hash=job.contract.hash,
        prompt=prompt,
        completion=completion_messages(job.contract, prompt, proposal.sql, proposal.reasoning),
    )


def _database_row(job: Job, proposal: Proposal, path: Path) -> dict[str, Any]:
    counts = num_rows(path)
    return {
        "db_id": path.stem,
        "domain": proposal.domain,
        "db_sha256": database_sha256(path),
        "script": database_script(path),
        "source": "strong",
        "license": job.license,
        "num_tables": len(counts),
        "num_rows": sum(counts.values()),
    }


def _db_id(proposal: Proposal) -> str:
    """The words of the domain and a digest of the database: two queries fill one differently.

    >>> _db_id(Proposal("Tea & coffee tasting", "CREATE TABLE t (a)", "?", "SELECT 1"))[:18]
    'tea_coffee_tasting'
    """
    words = re.sub(r"[^a-z0-9]+", "_", proposal.domain.lower()).strip("_")[:40].strip("_")
    digest = content_id(proposal.script, proposal.sql)[:8]
    return f"{words or 'domain'}_{digest}"
