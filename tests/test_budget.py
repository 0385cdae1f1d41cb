"""sense.servers.budget: price tables that people write, and limits."""

from pathlib import Path

import pytest

from sense.servers.budget import Budget, Prices, read_prices
from sense.servers.reply import Choice, Reply


@pytest.mark.parametrize(
    "text",
    [
        "big-model: {prompt: 2.5, completion: 10}",
        '{"big-model": {"prompt": 2.5, "completion": 10}}',
    ],
)
def test_a_table_in_yaml_or_json(text: str, tmp_path: Path) -> None:
    (tmp_path / "prices").write_text(text)
    assert read_prices(tmp_path / "prices", "big-model") == Prices(2.5, 10.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("big-modell: {prompt: 1, completion: 1}", "closest match: 'big-modell'"),
        ("- 1", "holds no table of prices; expected lines such as 'big-model: {prompt: 2.5"),
        ("", "holds no table of prices"),
        ("big-model: 3", "'big-model' is 3; expected lines such as"),
        ("big-model: {prompt: 1}", "expected lines such as"),
        ("big-model: {prompt: 1, completion: -1}", "has the price -1; expected dollars, 0 or more"),
        ("big-model: {prompt: 1, completion: '$2'}", "has the price '\\$2'"),
        ("big-model: {prompt: true, completion: 1}", "has the price True"),
        ("big-model: {prompt: .nan, completion: 1}", "has the price nan"),
        ("a: [", "is neither YAML nor JSON"),
    ],
)
def test_a_table_that_is_none(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(text)
    with pytest.raises(ValueError, match=said) as found:
        read_prices(tmp_path / "prices.yaml", "big-model")
    assert "\n" not in str(found.value)


def test_what_is_in_flight_is_reserved_at_the_price_of_the_dearest_reply() -> None:
    budget = Budget(Prices(1e6, 1e6), max_cost=100.0, max_total_tokens=0)
    assert budget.start()
    budget.use(Reply((Choice("a"),), 10, 5))
    budget.use(Reply((Choice("a"),), 20, 10))
    budget.end()
    assert [budget.start() for _ in range(4)] == [True, True, False, False]  # 45 + 2 x 30 > 100
    assert budget.reached == "--max-cost 100"


def test_no_limit_never_ends() -> None:
    budget = Budget(Prices(), max_cost=0.0, max_total_tokens=0)
    budget.use(Reply((Choice("a"),), 10**9, 10**9))
    assert all(budget.start() for _ in range(100))
    assert not budget.reached
