"""Rounds of requests to a strong model: each asks for what the set lacks after the rounds before.

Replies and verified replies are units of journals. What a request says depends only on rounds that
are over, so a run that was killed asks the same again and pays only for what was in flight.
"""

from collections.abc import Iterable, Sequence

from tqdm import tqdm

from sense.chat import Chat
from sense.execution import WorkerFailure, map_in_workers
from sense.facts import text_table
from sense.journal import Journal
from sense.servers.preview import Tried, projection, shown_exchange
from sense.teaching.planning import Teaching, plan_tasks
from sense.teaching.proposals import ProposalSet
from sense.teaching.tasks import Task
from sense.teaching.verification import Job, Verified, lost, verify_reply
from sense.teaching.votes import count_again, voted

ROUND_REQUESTS = 100
"""Most requests of a round: what they steer by is what the rounds before gave."""
ROUND_SHARE = 0.2
"""Of a small set a round asks for this part at most, so that later ones mend what it missed."""
FULL_LOAD = 32
"""Requests of a round that are not too few to be in flight together."""
SURPLUS = 1.25
"""What rounds after the first ask for beyond what is missing, since some of it is rejected."""
MIN_ROUND_REQUESTS = 4
"""Requests of the last rounds: fewer would wait for each other, one round after another."""
MAX_ASKED_PER_EXAMPLE = 4
"""Questions: a run that needs more has a teacher that cannot do the work."""
MAX_JOB_SECONDS = 120.0
"""Building, filling and executing take about a second."""


def make_proposals(
    found: ProposalSet, chat: Chat, teaching: Teaching, num_workers: int, voter: Chat | None = None
) -> None:
    """Runs rounds until the set is full, the money is spent or the teacher gives too little.

    voter: the model whose answers vote; the teacher where it is None.
    """
    while tasks := plan_round(found, teaching, num_workers):
        for job in answered(tasks, chat, voter or chat, teaching, found.journal, num_workers):
            found.add(job.task)
        found.num_tasks += len(tasks)
        found.close_round()
        if chat.is_spent:
            return


def stopped_by(found: ProposalSet, chat: Chat) -> str:
    """The limit that ended the rounds before the set was full; "" where none did."""
    if chat.is_spent:
        return f"{chat.budget.reached} was reached"
    if found.num_missing and found.num_asked >= MAX_ASKED_PER_EXAMPLE * found.total:
        return f"{MAX_ASKED_PER_EXAMPLE} questions per example were asked for"
    return ""


def plan_round(found: ProposalSet, teaching: Teaching, num_workers: int) -> list[Task]:
    """The next requests; none at the end."""
    missing = found.num_missing
    most = round(ROUND_SHARE * found.total / teaching.num_questions)
    num = min(
        min(ROUND_REQUESTS, max(FULL_LOAD, most)) * teaching.num_questions,
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
    tasks: Sequence[Task],
    chat: Chat,
    voter: Chat,
    teaching: Teaching,
    journal: Journal,
    num_workers: int,
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
    if teaching.num_votes:
        done = [job for job in jobs if job.task.key in journal]
        count_again(done, journal, voter, teaching.num_votes)
    results = map_in_workers(verify_reply, waiting, num_workers, MAX_JOB_SECONDS)
    progress = tqdm(results, desc="verified", total=len(waiting), unit="answer", leave=False)
    verified = (
        lost(job, result) if isinstance(result, WorkerFailure) else result
        for job, result in zip(waiting, progress, strict=True)
    )
    outcomes: Iterable[Verified | None] = verified
    if teaching.num_votes:
        outcomes = voted(waiting, list(verified), voter, teaching.num_votes, num_workers)
    for job, outcome in zip(waiting, outcomes, strict=True):
        if outcome:
            journal.put(job.task.key, outcome)
    return [job for job in jobs if job.task.key in journal]


def preview(
    found: ProposalSet,
    chat: Chat,
    teaching: Teaching,
    num: int,
    num_workers: int,
    voter: Chat | None = None,
) -> str:
    """The first `num` requests with their answers and verdicts, and what the rest would take."""
    tasks = plan_round(found, teaching, num_workers)[:num]
    jobs = answered(tasks, chat, voter or chat, teaching, found.journal, num_workers)
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
    lines = projection(
        tried,
        found.num_missing,
        chat.budget.prices,
        chat.concurrency,
        voter.usage() if voter else {},
    )
    table = text_table([("the rest, projected", "about (95 % range)"), *lines])
    return "\n".join([*shown, table])
