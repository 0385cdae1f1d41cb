"""Near misses of right answers, judged: wrong answers to questions that the model answers well.

Each is one edit of an answer, in that answer's own words, so that nothing but the mistake tells the
two apart. It is executed and judged as any answer, and counts only where it is incorrect.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from sqlglot import tokenize
from sqlglot.tokens import Token, TokenType

from sense.example import content_id
from sense.hardness import DIALECT, UnparsedSqlError, normalize_sql, parse_sql, sql_text
from sense.inputs.question import Question
from sense.mutation import Mutation, mutate
from sense.pairs.pairing import Answered, answered_from
from sense.pairs.plainness import OPEN_KINDS
from sense.preference import Sample, sample_row
from sense.schema import read_schema
from sense.spool import Spool
from sense.weak import Answer, Job, Judging, judged_jobs

MAX_TRIED = 3
"""Near misses of one question that are judged; most are incorrect, and one is enough."""
NOT_MADE = (*OPEN_KINDS, "extra_condition")
"""Kinds of edits: the one added here asks for a value in some other column, which a question seldom
excludes."""
NAMES = (TokenType.VAR, TokenType.IDENTIFIER, TokenType.STRING, TokenType.NUMBER)
"""Tokens whose case is theirs, not that of the keywords around."""


def near_misses(
    answered: Spool, share: float, seed: int, judging: Judging
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(id of an example, rows of wrong answers to it) for some of the questions without a mistake.

    answered: values of `Answered.as_json` under the ids; share: of all pairs, one per question,
    that near misses shall give; which questions get some is random by the seed.
    """
    num_pairs, clean = 0, []
    for value in answered:
        if any(row["other_reading"] for row in value[2]):
            continue  # such questions give no pair, unless open ones are kept
        verdicts = {row["verdict"] for row in value[2] if row["gold_status"] == "ok"}
        num_pairs += {"correct", "incorrect"} <= verdicts
        if "correct" in verdicts and "incorrect" not in verdicts:
            clean.append(value[0]["id"])
    clean.sort(key=lambda example_id: content_id("near misses", str(seed), example_id))
    num_wanted = int(num_pairs * share / (1 - share))
    kinds: dict[str, dict[str, str]] = {}  # of those that are being judged

    def jobs() -> Iterator[list[Job]]:
        for example_id in clean:
            [value] = answered.of(example_id)
            if job := _job(answered_from(value), seed, kinds):
                yield [job]

    with closing(judged_jobs(jobs(), judging)) as results:
        while num_wanted > 0 and (found := next(results, None)):
            question, samples = found
            known = kinds.pop(question.example.id)
            rows = [sample_row(s) for s in _wrong(samples, known)]
            if rows:
                num_wanted -= 1
                yield question.example.id, rows


def in_own_words(answer: str, near_miss: str) -> str:
    """The near miss of an answer with what both share as the answer spells it; "" if that fails.

    >>> in_own_words("select a from t x  where x.b>1", "SELECT a FROM t AS x WHERE x.b >= 1")
    'select a from t x  where x.b>=1'
    """
    written = sql_text(parse_sql(answer))
    mine, middle, theirs = (tokenize(text, DIALECT) for text in (answer, written, near_miss))
    place = {
        block.b + i: block.a + i
        for block in _matcher(mine, middle).get_matching_blocks()
        for i in range(block.size)
    }
    is_lower = mine[0].text.islower()
    text, end = "", 0
    for tag, i1, i2, j1, j2 in _matcher(middle, theirs).get_opcodes():
        if tag == "equal":
            continue
        before = place.get(i1 - 1) if i1 else -1
        after = place.get(i2) if i2 < len(middle) else len(mine)
        if before is None or after is None or after <= before:
            return ""
        new = _spelled(near_miss, theirs[j1:j2], is_lower)
        if after == before + 1:  # nothing is taken out
            start = stop = mine[before].end + 1 if before >= 0 else 0
            new = near_miss[theirs[j1 - 1].end + 1 : theirs[j1].start] + new
        else:
            start, stop = mine[before + 1].start, mine[after - 1].end + 1
            if not new and answer[:start].endswith(" "):
                start -= 1
        text += answer[end:start] + new
        end = stop
    text = (text + answer[end:]).strip()
    return text if normalize_sql(text) == normalize_sql(near_miss) else ""


def _job(question: Answered, seed: int, kinds: dict[str, dict[str, str]]) -> Job | None:
    """The near misses of a right answer, of different kinds, which `kinds` then holds by SQL."""
    example, db_path, samples = question
    lots = sorted(
        (content_id(str(seed), s.id), s)
        for s in samples
        if s.verdict == "correct" and s.predicted_sql in (s.completion or s.predicted_sql)
    )
    if not lots or not Path(db_path).is_file():
        return None
    right = lots[0][1]
    found: dict[str, Mutation] = {}
    for mutation in _shuffled(right, db_path, seed):
        if len(found) < MAX_TRIED and mutation.kind not in (*found, *NOT_MADE):
            text = in_own_words(right.predicted_sql, mutation.sql)
            if text:
                found[mutation.kind] = mutation._replace(sql=text)
    kinds[example.id] = {mutation.sql: mutation.kind for mutation in found.values()}
    answers = [_answer(right, mutation.sql) for mutation in found.values()]
    return Job(Question(example, db_path), answers) if answers else None


def _shuffled(right: Sample, db_path: str, seed: int) -> list[Mutation]:
    try:
        found = mutate(right.predicted_sql, read_schema(db_path))
    except UnparsedSqlError:
        return []
    return sorted(found, key=lambda mutation: content_id(str(seed), right.id, mutation.sql))


def _answer(right: Sample, sql: str) -> Answer:
    """The right answer with other SQL in its text."""
    completion = right.completion.replace(right.predicted_sql, sql)
    model = (right.weak_model, right.weak_model_revision, right.temperature)
    return Answer(sql, completion, *model)


def _wrong(samples: Sequence[Sample], kinds: dict[str, str]) -> Iterator[Sample]:
    """Those that are plainly wrong, marked as near misses; their indexes count down from -1."""
    for sample in samples:
        if sample.verdict == "incorrect" and not sample.is_subtle:
            yield replace(
                sample,
                error_kind=kinds[sample.predicted_sql],
                index=-1 - sample.index,
                source="mutation",
            )


def _matcher(first: Sequence[Token], second: Sequence[Token]) -> SequenceMatcher[str]:
    mine, theirs = (
        [token.text if token.token_type in NAMES[1:] else token.text.lower() for token in tokens]
        for tokens in (first, second)
    )
    return SequenceMatcher(None, mine, theirs, autojunk=False)


def _spelled(sql: str, tokens: Sequence[Token], is_lower: bool) -> str:
    """The part of the query that the tokens are, its keywords in lower case where that is asked."""
    if not tokens:
        return ""
    parts, end = [], tokens[0].start
    for token in tokens:
        text = sql[token.start : token.end + 1]
        is_keyword = token.token_type not in NAMES
        parts += [sql[end : token.start], text.lower() if is_lower and is_keyword else text]
        end = token.end + 1
    return "".join(parts)
