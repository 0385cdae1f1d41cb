"""How varied the grammar's questions are beside those that people wrote over the same databases.

    PYTHONPATH=FOLDER_WITH_SACREBLEU python benchmarks/diversity.py --spider DIR [--out FILE.json]

As many questions are sampled of each database as Spider's train set has there. The table gives
distinct SQL templates (names and literals masked), distinct-1 and distinct-2 (Li et al. 2016: the
share of n-grams that differ) and self-BLEU (Zhu et al. 2018: BLEU-4 of a question against the
others, lower is more varied; by sacrebleu, `pip install sacrebleu`) on samples of equal size, and
which constructs of SQL occur. What Spider has and the grammar has not is listed.
"""

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType
from tqdm import tqdm

from sense.command import run_script
from sense.database import database_paths
from sense.facts import code_version
from sense.grammar import sample_examples
from sense.hardness import parse_sql, sql_features
from sense.inputs.reading import read_spider
from sense.strong_set.collection import unusable_databases

NUM_SAMPLED = 1_000  # questions that measures of n-grams are taken of
NUM_HYPOTHESES = 200  # of them whose BLEU against the rest is averaged
SETS = ("spider", "grammar")
NAMES = (TokenType.VAR, TokenType.IDENTIFIER)
LITERALS = (TokenType.STRING, TokenType.NUMBER)


class Pair(NamedTuple):
    """A question with its SQL."""

    question: str
    sql: str


def main() -> None:
    arguments = parse_arguments()
    spider, grammar = read_pairs(arguments.spider, arguments.seed)
    sets = dict(zip(SETS, (spider, grammar), strict=True))
    found = {name: constructs(pairs) for name, pairs in sets.items()}
    results: dict[str, Any] = {"commit": code_version()[0]}
    results |= {name: measured(pairs, arguments.seed) for name, pairs in sets.items()}
    for name in SETS:
        results[name]["SQL features"] = len(found[name]["features"])
        results[name]["constructs"] = len(found[name]["constructs"])
    for kind in ("features", "constructs"):
        gone = found["spider"][kind].keys() - found["grammar"][kind].keys()
        results[f"missing {kind}"] = {name: found["spider"][kind][name] for name in sorted(gone)}
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    print(report(results))


def read_pairs(folder: str, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Spider's train questions over databases with rows, and as many of the grammar over each."""
    paths = database_paths(Path(folder) / "database")
    rows = [row for row in read_spider(folder, "train") if row["db_id"] in paths]
    counts = Counter(row["db_id"] for row in rows)
    counts -= Counter({db_id: counts[db_id] for db_id in unusable_databases(paths)})
    sampled = [
        Pair(found.question, found.sql)
        for db_id, num in tqdm(sorted(counts.items()), desc="grammar", unit="database")
        for found in sample_examples(paths[db_id], num, f"{seed} {db_id}")
    ]
    return [Pair(row["question"], row["sql"]) for row in rows if counts[row["db_id"]]], sampled


def measured(pairs: Sequence[Pair], seed: int) -> dict[str, Any]:
    """Counts over all pairs; n-grams and templates of a sample of fixed size."""
    sample = random.Random(seed).sample(list(pairs), min(NUM_SAMPLED, len(pairs)))
    questions = [pair.question for pair in sample]
    return {
        "questions": len(pairs),
        "SQL templates": len({template(pair.sql) for pair in pairs}),
        f"SQL templates of {len(sample):,}": len({template(pair.sql) for pair in sample}),
        "first three words": len({tuple(words(text)[:3]) for text in questions}),
        "words per question": sum(len(words(text)) for text in questions) / len(questions),
        "distinct-1": distinct(questions, 1),
        "distinct-2": distinct(questions, 2),
        "self-BLEU": self_bleu(questions),
    }


def words(text: str) -> list[str]:
    """The words and marks of a question in lower case.

    >>> words("Who's Ann?")
    ["who's", 'ann', '?']
    """
    return re.findall(r"[\w'-]+|[^\w\s]", text.lower())


def distinct(texts: Sequence[str], n: int) -> float:
    """The share of n-grams that differ."""
    grams: list[tuple[str, ...]] = []
    for text in texts:
        parts = words(text)
        grams += [tuple(parts[i : i + n]) for i in range(len(parts) - n + 1)]
    return len(set(grams)) / len(grams)


def self_bleu(texts: Sequence[str]) -> float | None:
    """Mean BLEU-4, 0 to 100, of the first texts against all others; None without sacrebleu."""
    try:
        from sacrebleu.metrics import BLEU
    except ImportError:
        return None
    bleu = BLEU(effective_order=True)
    scores = [
        bleu.sentence_score(text, [*texts[:i], *texts[i + 1 :]]).score
        for i, text in enumerate(texts[:NUM_HYPOTHESES])
    ]
    return float(sum(scores) / len(scores))


def template(sql: str) -> str:
    """The query with its names and literals masked and aliases left out.

    >>> template("SELECT T1.name FROM bee AS T1 WHERE T1.age > 3")
    'SELECT _ FROM _ WHERE _ > ?'
    """
    tokens = SQLite().tokenize(sql.rstrip("; "))
    parts: list[str] = []
    for i, token in enumerate(tokens):
        kinds = [other.token_type for other in tokens[max(0, i - 1) : i + 2]]
        after = kinds[-1] if i + 1 < len(tokens) else None
        before = kinds[0] if i else None
        if token.token_type in (TokenType.DOT, TokenType.ALIAS) or before is TokenType.ALIAS:
            continue
        if after is TokenType.DOT:
            continue
        is_name = token.token_type in NAMES and after is not TokenType.L_PAREN
        is_literal = token.token_type in LITERALS
        parts.append("_" if is_name else "?" if is_literal else token.text.upper())
    return " ".join(parts)


def constructs(pairs: Sequence[Pair]) -> dict[str, Counter[str]]:
    """How often each of the kit's features occurs, and each finer construct."""
    features: Counter[str] = Counter()
    finer: Counter[str] = Counter()
    for pair in pairs:
        try:
            tree = parse_sql(pair.sql)
        except (SqlglotError, ValueError):  # an error of the set
            continue
        features.update(sql_features(tree))
        finer.update(set(_constructs(tree)))
    return {"features": features, "constructs": finer}


def _constructs(tree: exp.Expr) -> Iterator[str]:
    for select in tree.find_all(exp.Select):
        for clause in CLAUSES:
            yield from clause(select)
    for node in tree.find_all(exp.SetOperation):
        yield node.key
        yield from (f"{node.key} of groups" for side in _sides(node) if side.args.get("group"))
        yield from (f"{node.key} of whole tables" for side in _sides(node) if _is_whole(side))
    for node in tree.find_all(exp.Not):
        yield f"not {node.this.key}"
    for node in tree.find_all(exp.In):
        yield "in query" if node.args.get("query") else "in list"
    for node in tree.find_all(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE):
        is_nested = isinstance(node.expression, exp.Subquery)
        yield f"{node.key} subquery" if is_nested else node.key


def _output(select: exp.Select) -> Iterator[str]:
    yield f"{min(5, len(select.expressions))} columns"
    aggregates = [node for item in select.expressions for node in item.find_all(exp.AggFunc)]
    yield from (f"{node.key}{' distinct' * bool(node.find(exp.Distinct))}" for node in aggregates)
    if len(aggregates) > 1:
        yield "several aggregates"
    if any(isinstance(item, exp.Star) for item in select.expressions):
        yield "all columns"
    if select.args.get("distinct"):
        yield "select distinct"


def _tables(select: exp.Select) -> Iterator[str]:
    joins = select.args.get("joins") or []
    yield f"{min(4, len(joins))} joins"
    source = select.args.get("from_")
    if source and isinstance(source.this, exp.Subquery):
        yield "from subquery"
    names = [
        node.name.lower() for node in select.find_all(exp.Table) if node.parent_select is select
    ]
    if len(names) > len(set(names)):
        yield "a table twice"


def _conditions(select: exp.Select) -> Iterator[str]:
    where, having = select.args.get("where"), select.args.get("having")
    if where:
        leaves = (exp.Predicate, exp.In, exp.Between)
        found = [node for node in where.find_all(*leaves) if node.parent_select is select]
        yield f"{min(4, len(found))} conditions"
        if where.find(exp.And) and where.find(exp.Or):
            yield "and with or"
    if having:
        yield from (f"having {node.key}" for node in having.find_all(exp.AggFunc))
        if having.find(exp.Select):
            yield "having subquery"


def _groups(select: exp.Select) -> Iterator[str]:
    group, order, limit = (select.args.get(name) for name in ("group", "order", "limit"))
    if group:
        yield f"{len(group.expressions)} grouped columns"
    if order:
        yield f"{len(order.expressions)} sort keys"
        yield "order by aggregate" if order.find(exp.AggFunc) else "order by column"
    if limit:
        yield "limit 1" if limit.expression.name == "1" else "limit of several"
    if group and order and limit:
        yield "best group"


def _sides(node: exp.SetOperation) -> list[exp.Select]:
    return [side for side in (node.left, node.right) if isinstance(side, exp.Select)]


def _is_whole(select: exp.Select) -> bool:
    return not any(select.args.get(name) for name in ("where", "group", "having", "limit"))


CLAUSES: tuple[Callable[[exp.Select], Iterator[str]], ...] = (
    _output,
    _tables,
    _conditions,
    _groups,
)


def report(results: dict[str, Any]) -> str:
    """The table, and what the grammar lacks."""
    lines = ["| measure | spider | grammar | grammar / spider |", "|---|---|---|---|"]
    for name, value in results["spider"].items():
        other = results["grammar"][name]
        if value is None:
            lines.append(f"| {name} | needs `pip install sacrebleu` | | |")
            continue
        form = ",.3f" if isinstance(value, float) else ",d"
        lines.append(f"| {name} | {value:{form}} | {other:{form}} | {other / value:.2f} |")
    lines.append("")
    for kind in ("features", "constructs"):
        gone = results[f"missing {kind}"]
        listed = ", ".join(f"{name} ({num:,})" for name, num in gone.items()) or "none"
        lines.append(f"{kind} of Spider's golds (rows) that the grammar lacks: {listed}")
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--spider", required=True, metavar="DIR", help="folder with train_spider.json and database/"
    )
    add("--seed", type=int, default=0, help="of every random choice (default 0)")
    add("--out", metavar="FILE.json", help="where to write what is printed")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
