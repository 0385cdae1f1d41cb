"""A prompt for a chat server, and what its answer says once nothing in it is trusted.

An answer that is no chat completion is a ValueError. Tokens are estimated where the server counts
none, or counts that cannot be: none for a text, beyond `max_tokens`, more than there are bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sense.example import Messages, content_id

REQUEST_SECONDS = 300.0
"""A long answer of a large model takes a minute or two; what takes longer hangs."""
CONCURRENCY = 32
"""Requests in flight at most, unless told otherwise; servers that push back get fewer."""
CHARS_PER_TOKEN = 3
"""To estimate tokens that a server does not count; texts have more, so this is careful."""
MAX_TEMPLATE_TOKENS = 1_000
"""What a server's own template may add to a prompt, whose tokens are otherwise below its bytes."""
FOREIGN_ROLES = ("user", "system", "developer", "tool")
"""Roles of a message that is no answer; some servers give a role of their own, or none."""
MAX_LOGPROB = 1e6
"""Of a token, without its sign; what is no number, or a greater one, says nothing."""
FORMAT_NAME = "answer"
"""Of a schema, where the protocol wants a name."""


@dataclass(frozen=True)
class Request:
    """One prompt and how it is to be completed."""

    messages: Messages
    temperature: float = 0.0
    seed: int = 0
    max_tokens: int = 2_048
    num: int = 1
    """Completions wanted."""
    logprobs: bool = False
    schema: Mapping[str, Any] | None = None
    """JSON schema of the answer, for servers that hold to one (`response_format`); others see the
    prompt alone, which must ask for the form too. `sense.servers.structured` reads either."""

    def key(self, model: str) -> str:
        """Digest of all that decides the reply."""
        return content_id(model, json.dumps(asdict(self), sort_keys=True, ensure_ascii=False))


class Choice(NamedTuple):
    """One completion."""

    text: str
    logprob: float | None = None
    """Sum over its tokens in nats; None where the server gives none."""
    is_cut: bool = False
    """Whether it reached `max_tokens`."""


class Reply(NamedTuple):
    """What a server said to one request."""

    choices: tuple[Choice, ...]
    prompt_tokens: int = 0
    completion_tokens: int = 0
    has_usage: bool = True
    """Whether the server counted the tokens; they are estimated where it did not."""
    reject_reason: str = ""
    """Why there are no choices: `server_timeout`, `server_http_500`, ...; "" when there are."""
    error: str = ""
    """The reason as a sentence."""
    seconds: float = 0.0
    """From sending to the whole answer, of the attempt that succeeded."""


def to_reply(answer: Any, request: Request, num: int, seconds: float = 0.0) -> Reply:
    """The choices and tokens of a server's answer to `num` completions of the request.

    Raises ValueError for an answer without choices.
    """
    listed = answer.get("choices") if isinstance(answer, dict) else None
    choices = tuple(_choice(item) for item in listed) if isinstance(listed, list) else ()
    if not choices:
        raise ValueError(f"an answer without choices: {json.dumps(answer)}")
    counts = _counted(answer.get("usage"), choices, request, num)
    is_counted = counts is not None
    if counts is None:
        characters = sum(len(message["content"]) for message in request.messages)
        counts = (
            characters // CHARS_PER_TOKEN + 1,
            sum(len(choice.text) // CHARS_PER_TOKEN + 1 for choice in choices),
        )
    return Reply(choices, *counts, has_usage=is_counted, seconds=round(seconds, 3))


def combined(reply: Reply, more: Reply) -> Reply:
    """Two replies to one request as one; the second may be a reject, the first is paid for."""
    return Reply(
        () if more.reject_reason else reply.choices + more.choices,
        reply.prompt_tokens + more.prompt_tokens,
        reply.completion_tokens + more.completion_tokens,
        reply.has_usage and more.has_usage,
        more.reject_reason,
        more.error,
        round(reply.seconds + more.seconds, 3),
    )


def derived_seed(seed: int, number: int) -> int:
    """The seed of the completion with this number; that of number 0 is the seed itself.

    >>> derived_seed(7, 0), derived_seed(7, 1) == derived_seed(8, 1)
    (7, False)
    """
    return int(content_id(str(seed), str(number))[:7], 16) if number else seed


def encodable(text: str) -> str:
    """The text with `?` for halves of a character, which JSON can spell and no file can hold.

    >>> encodable("a\\ud800b")
    'a?b'
    """
    return text.encode(errors="replace").decode()


def _choice(item: Any) -> Choice:
    """Raises ValueError for a choice that holds no message of the model."""
    message = item.get("message") if isinstance(item, dict) else None
    if not isinstance(message, dict):
        raise ValueError(f"a choice without message: {json.dumps(item)}")
    if message.get("role") in FOREIGN_ROLES:
        raise ValueError(f"a message of the {message['role']}, not of the model")
    content = message.get("content")
    return Choice(
        encodable(content) if isinstance(content, str) else "",
        _logprob(item.get("logprobs")),
        item.get("finish_reason") == "length",
    )


def _logprob(logprobs: Any) -> float | None:
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list) or not tokens:
        return None
    values = [token.get("logprob") if isinstance(token, dict) else None for token in tokens]
    known = [v for v in values if isinstance(v, (int, float)) and abs(v) <= MAX_LOGPROB]
    return round(sum(known), 4) if len(known) == len(values) else None


def _counted(
    usage: Any, choices: tuple[Choice, ...], request: Request, num: int
) -> tuple[int, int] | None:
    """Tokens of prompt and completions as the server counts them; None where that cannot be."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = (usage.get(f"{kind}_tokens") for kind in ("prompt", "completion"))
    if type(prompt) is not int or type(completion) is not int:
        return None
    num_bytes = sum(len(message["content"].encode()) for message in request.messages)
    max_completion = request.max_tokens * max(num, len(choices))
    is_possible = (
        0 < prompt <= num_bytes + MAX_TEMPLATE_TOKENS
        and any(choice.text for choice in choices) <= completion <= max_completion
    )
    return (prompt, completion) if is_possible else None
