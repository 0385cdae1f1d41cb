"""The engine in a few functions, for other projects: `from sense import execute, judge, score`.

They wrap what the kit itself uses and load neither torch nor the network. Nothing that is judged
can write: every query runs read-only within limits.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias, get_args

from sense.denotation import Rows, bird_equal, spider_equal, strict_equal
from sense.execution import DEFAULT_LIMITS, Execution, Limits
from sense.execution import execute as run_query
from sense.inputs.reading import Prediction
from sense.metrics import Score
from sense.shown import first_few
from sense.verdict import Judgement, Rule, Unit
from sense.verdict import judge as judge_unit

PathLike: TypeAlias = str | Path


def execute(database: PathLike, sql: str, limits: Limits = DEFAULT_LIMITS) -> Execution:
    """How one query ends on a SQLite file: its rows, or why there are none.

    Raises DatabaseError for a file that cannot be read. What a query does is never an error here.

    >>> database = example_database()
    >>> execute(database, "SELECT name FROM pet WHERE age > 2").rows
    (('Rex',),)
    >>> execute(database, "DROP TABLE pet").status
    'refused'
    """
    return run_query(database, sql, limits)


def equal(
    gold_rows: Rows, rows: Rows, rule: Rule = "strict", *, order_matters: bool = False
) -> bool:
    """Whether two results are equal by a rule; order_matters: whether gold orders its rows.

    BIRD's rule never looks at the order. For ties, and for results that cannot be told apart from
    equal ones, use `judge`, which knows the queries.

    >>> equal([(1, "a"), (2, "b")], [(2.0, "b"), (1.0, "a")])
    True
    >>> equal([("a", 1)], [(1, "a")]), equal([("a", 1)], [(1, "a")], rule="spider")
    (False, True)
    >>> equal([(1,), (1,)], [(1,)]), equal([(1,), (1,)], [(1,)], rule="bird")
    (False, True)
    """
    check_rule(rule)
    if rule == "bird":
        return bird_equal(gold_rows, rows)
    if rule == "strict":
        return strict_equal(gold_rows, rows, order_matters)
    return spider_equal(gold_rows, rows, order_matters)


def judge(
    gold: str,
    prediction: str,
    database: PathLike | Sequence[PathLike],
    rules: Sequence[Rule] = ("strict",),
    limits: Limits = DEFAULT_LIMITS,
) -> Judgement:
    """Whether the predicted query answers what gold answers: a verdict, its reason and a witness.

    database: a SQLite file, or several with one schema, on all of which it must be right. `scores`
    holds 1 or 0 for each rule. Runs in this process.

    >>> database = example_database()
    >>> found = judge("SELECT name FROM pet WHERE age > 2", "SELECT name FROM pet", database)
    >>> found.verdict, found.reason
    ('incorrect', 'differs')
    >>> found.witness
    '{"only_in": "predicted", "row": ["Tom"], "gold_rows": 1, "predicted_rows": 2}'
    >>> judge("SELECT count(*) FROM pet", "SELECT count(name) FROM pet", database).verdict
    'correct'
    """
    paths = [database] if isinstance(database, str | Path) else database
    for rule in rules:
        check_rule(rule)
    _, [judgement] = judge_unit(
        Unit(tuple(map(str, paths)), gold, (prediction,)), tuple(rules), limits
    )
    return judgement


def score(
    predictions: PathLike | Sequence[Prediction],
    databases: PathLike,
    rule: Rule = "strict",
    *,
    gold: PathLike | None = None,
    suite: PathLike | None = None,
    num_workers: int = 1,
) -> Score:
    """Execution accuracy of one system with its 95 % interval; with a suite, test-suite accuracy.

    predictions: a file of JSON lines, or, with the file `gold`, of Spider's or BIRD's format; or a
    list of `Prediction`. databases: the folder of their SQLite files. A question whose gold cannot
    judge is not counted by the strict rule; by it an answer that is `unknown` for
    a reason of its own is wrong.

    >>> database = example_database()
    >>> rows = [
    ...     Prediction(0, "pets", "Who?", "SELECT name FROM pet", "SELECT name FROM pet"),
    ...     Prediction(1, "pets", "How many?", "SELECT count(*) FROM pet", "SELECT 7"),
    ... ]
    >>> score(rows, database.parent).accuracy
    0.5
    """
    from sense.database import database_paths
    from sense.evaluation import check_predictions, evaluate
    from sense.inputs.predictions import read_systems
    from sense.scores.outcomes import column_scores
    from sense.suite import read_suite

    check_rule(rule)
    if isinstance(predictions, str | Path):
        systems = read_systems([predictions], gold)
        if len(systems) > 1:
            names = first_few(system.name for system in systems)
            raise ValueError(
                f"{predictions} holds {len(systems)} systems ({names}); expected one: give the "
                "lines of one system, or use recipes/evaluate.py"
            )
        predictions = systems[0].predictions
    paths = database_paths(databases)
    check_predictions(predictions, paths)
    if not predictions:
        raise ValueError("there is no prediction to score; expected one per question")
    chosen = read_suite(suite) if suite else None
    outcomes = evaluate(predictions, paths, (rule,), num_workers, chosen, scores_only=True)
    found = column_scores(outcomes, next(iter(outcomes[0].scores)))
    return Score(**{name: found[name] for name in Score._fields})


def check_rule(rule: str) -> None:
    """Raises ValueError for a name that is no rule."""
    if rule not in get_args(Rule):
        raise ValueError(f"rule '{rule}' is unknown; expected one of {', '.join(get_args(Rule))}")


def example_database() -> Path:
    """A new SQLite file with two pets, for examples: Rex is 3 years old, Tom 1.

    >>> example_database().name
    'pets.sqlite'
    """
    import sqlite3
    import tempfile

    path = Path(tempfile.mkdtemp()) / "pets.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE pet (name TEXT, age INTEGER)")
        connection.execute("INSERT INTO pet VALUES ('Rex', 3), ('Tom', 1)")
    connection.close()
    return path
