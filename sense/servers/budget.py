"""What replies cost and may cost: prices per token, and a limit that ends a run in good order."""

from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from math import floor, log10
from pathlib import Path
from typing import Any, NamedTuple

from sense.servers.reply import Reply

ESTIMATED = "replies_with_estimated_tokens"
"""Of servers that do not say what a reply used."""


class Prices(NamedTuple):
    """Dollars per million tokens."""

    prompt: float = 0.0
    completion: float = 0.0

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """
        >>> Prices(prompt=2.5, completion=10).cost(1_000, 500)
        0.0075
        """
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class Budget:
    """What the replies of a run have used so far, and whether another request may start."""

    def __init__(
        self,
        prices: Prices,
        max_cost: float,
        max_total_tokens: int,
        beside: "Budget | None" = None,
    ) -> None:
        """Limits of 0 are none. Tokens of cached replies count too: a resumed run ends where the
        whole one would. beside: that of another model, whose limits hold for both together and in
        place of these; the two models are not asked at the same time.
        """
        self.prices = prices
        self.max_cost: float = beside.max_cost if beside else max_cost
        self.max_total_tokens: int = beside.max_total_tokens if beside else max_total_tokens
        self._shared: list[Budget] = beside._shared if beside else []
        self._shared.append(self)
        self._reached = ""
        self._num = Counter[str]()
        self.num_in_flight = 0
        self.has_reply = False
        """Whether a server or the cache has replied since the start; what is recalled has not."""
        self._dearest = (0.0, 0)

    @property
    def reached(self) -> str:
        """The option whose limit left out requests, with its value; "" as long as none did."""
        return next((budget._reached for budget in self._shared if budget._reached), "")

    @property
    def cost(self) -> float:
        """Dollars that the replies used so far cost, in this run or an earlier one."""
        return self.prices.cost(self._num["prompt_tokens"], self._num["completion_tokens"])

    @property
    def is_blind(self) -> bool:
        """Whether there is a limit and no reply yet that would tell what one costs."""
        return bool(self.max_cost or self.max_total_tokens) and not self.has_reply

    @property
    def total_tokens(self) -> int:
        return self._num["prompt_tokens"] + self._num["completion_tokens"]

    def start(self) -> bool:
        """Whether one more request may start, which then has started.

        Those in flight are reserved the price of the dearest reply so far; before there is one,
        requests start all the same and may exceed the limit.
        """
        cost = sum(each.cost + each.num_in_flight * each._dearest[0] for each in self._shared)
        tokens = sum(
            each.total_tokens + each.num_in_flight * each._dearest[1] for each in self._shared
        )
        if self.max_cost and cost >= self.max_cost:
            self._reached = f"--max-cost {self.max_cost:g}"
        elif self.max_total_tokens and tokens >= self.max_total_tokens:
            self._reached = f"--max-total-tokens {self.max_total_tokens}"
        if self.reached:
            return False
        self.num_in_flight += 1
        return True

    def end(self) -> None:
        """Notes that a started request is over, however it ended."""
        self.num_in_flight -= 1

    def use(self, reply: Reply) -> None:
        """Counts what a reply used."""
        self.has_reply = True
        self._num["replies"] += 1
        self._num["prompt_tokens"] += reply.prompt_tokens
        self._num["completion_tokens"] += reply.completion_tokens
        self._num["estimated"] += not reply.has_usage
        cost = self.prices.cost(reply.prompt_tokens, reply.completion_tokens)
        tokens = reply.prompt_tokens + reply.completion_tokens
        self._dearest = (max(self._dearest[0], cost), max(self._dearest[1], tokens))

    def recall(self, usage: Mapping[str, float]) -> None:
        """Counts what replies of an earlier run used, as its `usage` said, its money aside."""
        for name in ("replies", "prompt_tokens", "completion_tokens"):
            self._num[name] += int(usage.get(name, 0))
        self._num["estimated"] += int(usage.get(ESTIMATED, 0))

    def usage(self) -> dict[str, float]:
        """Tokens and money of the replies used so far, for `facts.json`."""
        names = ("replies", "prompt_tokens", "completion_tokens")
        found: dict[str, float] = {name: self._num[name] for name in names}
        if self._num["estimated"]:
            found[ESTIMATED] = self._num["estimated"]
        if any(self.prices):
            found["cost_usd"] = round(self.cost, 6)
        return found


def joined_usage(usage: Mapping[str, float], of_voter: Mapping[str, float]) -> dict[str, float]:
    """What two models used together, and what of it the second one did, whose answers vote.

    >>> joined_usage({"replies": 4, "cost_usd": 1.5}, {"replies": 20, "cost_usd": 0.25})
    {'replies': 24, 'cost_usd': 1.75, 'voter_replies': 20, 'voter_cost_usd': 0.25}
    """
    names = dict.fromkeys((*usage, *of_voter))
    both = {name: round(usage.get(name, 0) + of_voter.get(name, 0), 6) for name in names}
    return both | {f"voter_{name}": num for name, num in of_voter.items()}


def shown_usage(usage: Mapping[str, float]) -> list[tuple[str, int | str]]:
    """Tokens and money as lines of a table.

    >>> shown_usage({"replies": 12, "cost_usd": 0.5})
    [('replies', 12), ('cost_usd', '0.50')]
    """
    return [
        (name, shown_dollars(value) if isinstance(value, float) else value)
        for name, value in usage.items()
    ]


def shown_dollars(amount: float) -> str:
    """Cents, and below ten of them two digits that say something.

    >>> shown_dollars(1234.5), shown_dollars(0.00253), shown_dollars(0)
    ('1,234.50', '0.0025', '0.00')
    """
    digits = 1 - floor(log10(amount)) if 0 < amount < 0.1 else 2
    return f"{amount:,.{digits}f}"


def read_prices(path: str | Path, model: str) -> Prices:
    """The prices of the model in a table: a YAML or JSON file, dollars per million tokens.

    `big-model: {prompt: 2.5, completion: 10}`, one line per model. Raises ValueError where the file
    is no such table or does not hold the model.
    """
    import yaml

    try:
        table = yaml.safe_load(Path(path).read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise ValueError(f"--prices {path} is neither YAML nor JSON: {said}") from error
    form = f"expected lines such as '{model}: {{prompt: 2.5, completion: 10}}'"
    if not isinstance(table, dict):
        raise ValueError(f"--prices {path} holds no table of prices; {form}")
    if model not in table:
        close = get_close_matches(model, map(str, table), 1)
        hint = f"; closest match: '{close[0]}'" if close else ""
        raise ValueError(f"--prices {path} has no model '{model}'{hint}; {form}")
    entry = table[model]
    if not isinstance(entry, dict) or entry.keys() != {"prompt", "completion"}:
        raise ValueError(f"--prices {path}: '{model}' is {entry!r}; {form}")
    return Prices(
        **{name: _price(value, f"--prices {path}: '{model}'") for name, value in entry.items()}
    )


def _price(value: Any, place: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value < float("inf"):
        raise ValueError(f"{place} has the price {value!r}; expected dollars, 0 or more")
    return float(value)
