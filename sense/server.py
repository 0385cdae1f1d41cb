"""One exchange with a server that speaks the OpenAI chat protocol: retried, checked, never trusted.

A server that cannot be used at all is a `ServerError`. What may be the fault of a single request
(no answer in time, an answer that is no completion) is a `Reply` with a reject reason.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from sense.example import Messages, content_id

if TYPE_CHECKING:
    from huggingface_hub import ChatCompletionOutput

MAX_ATTEMPTS = 5
"""Of one request to a busy, failing or silent server: waits of 1, 2, 4 and 8 s lie between."""
MAX_BAD_ANSWERS = 2
"""Attempts where the server answers, but with something that is no chat completion."""
MAX_WAIT_SECONDS = 60.0
BUSY_STATUSES = (408, 409, 425, 429)
REFUSING_STATUSES = (400, 413, 422)
"""The server does not like this request; others may fare better."""
CHARS_PER_TOKEN = 3
"""To estimate tokens that a server does not count; texts have more, so this is careful."""
HF_HOSTS = ("huggingface.co", "router.huggingface.co", "hf.co")
"""Hosts of Hugging Face itself; under hf.space and huggingface.cloud anyone serves."""
NO_KEY = "none"
"""Sent where there is no key; without one huggingface_hub would send its own login anywhere."""
MAX_SHOWN_CHARS = 160


class ServerError(RuntimeError):
    """A server that cannot be used: unreachable, no such model, a refused key, no chat server."""


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


class _Fault(NamedTuple):
    """What went wrong in one attempt."""

    reason: str
    error: str
    max_attempts: int = MAX_ATTEMPTS
    is_fatal: bool = False
    """Whether no other request would fare better."""
    is_refusal: bool = False
    """Whether the server does not like the request itself."""
    wait_seconds: float = 0.0
    """What the server asks to wait."""


class Server:
    """A model behind an address."""

    def __init__(
        self,
        model: str,
        base_url: str,
        request_seconds: float = 300.0,
        first_wait_seconds: float = 1.0,
    ) -> None:
        """Raises ValueError for an address that is none, or that holds a password."""
        self.model = model
        self.base_url = check_base_url(base_url)
        self.num_sent = 0
        """Requests sent so far, each attempt counted."""
        self._request_seconds = request_seconds
        self._first_wait_seconds = first_wait_seconds
        self._takes_extras = True
        self._has_answered = False

    @property
    def settings(self) -> dict[str, str]:
        """What decides its replies beside the requests: replies of another are not its own."""
        return {"model": self.model, "base_url": self.base_url}

    def reply(self, request: Request) -> Reply:
        """As many choices as were asked for: a server may ignore or refuse `n`. Thread-safe."""
        reply = self._attempts(request, request.num, request.seed)
        while not reply.reject_reason and len(reply.choices) < request.num:
            num_got = len(reply.choices)
            seed = derived_seed(request.seed, num_got)
            more = self._attempts(request, request.num - num_got, seed)
            if more.reject_reason:
                return more
            reply = Reply(
                reply.choices + more.choices,
                reply.prompt_tokens + more.prompt_tokens,
                reply.completion_tokens + more.completion_tokens,
                reply.has_usage and more.has_usage,
            )
        return reply._replace(choices=reply.choices[: request.num])

    def _attempts(self, request: Request, num: int, seed: int) -> Reply:
        extras = self._extras(request, num)
        is_plain = False
        attempt = 0
        while True:
            found = self._attempt(request, seed, {} if is_plain else extras)
            if isinstance(found, Reply):
                # A plain server refuses `n` and `logprobs`; a refusal may have other reasons too.
                self._takes_extras &= not is_plain
                return found
            if extras and not is_plain and found.is_refusal:
                is_plain = True
                continue
            attempt += 1
            if attempt >= found.max_attempts:
                if found.is_fatal:
                    raise ServerError(found.error)
                return Reply((), reject_reason=found.reason, error=found.error)
            wait = self._first_wait_seconds * 2 ** (attempt - 1)
            time.sleep(min(max(wait, found.wait_seconds), MAX_WAIT_SECONDS))

    def _attempt(self, request: Request, seed: int, extras: Mapping[str, Any]) -> Reply | _Fault:
        from huggingface_hub import InferenceClient
        from huggingface_hub.errors import (
            HfHubHTTPError,
            InferenceTimeoutError,
            OfflineModeIsEnabled,
        )
        from huggingface_hub.utils import httpx

        client = InferenceClient(
            base_url=self.base_url,
            api_key=api_key(self.base_url) or NO_KEY,
            timeout=self._request_seconds,
        )
        self.num_sent += 1
        try:
            output = client.chat_completion(
                request.messages,
                model=self.model,
                temperature=request.temperature,
                max_tokens=request.max_tokens,
                seed=seed,
                **extras,
            )
            reply = to_reply(output, request.messages)
            self._has_answered = True
            return reply
        except InferenceTimeoutError:
            text = f"{self.base_url} did not answer within {self._request_seconds:g} s"
            return _Fault("server_timeout", f"{text}; raise the limit or ask for less at once")
        except HfHubHTTPError as error:
            return self._http_fault(error.response.status_code, error.response)
        except (httpx.ConnectError, OfflineModeIsEnabled, httpx.UnsupportedProtocol) as error:
            text = (
                f"{self.base_url} cannot be reached: {error}; start the server or correct the URL"
            )
            return _Fault("server_unreachable", text, is_fatal=True)
        except httpx.TransportError as error:
            text = f"{self.base_url} cut the connection: {_first_line(str(error))}"
            return _Fault("server_cut", text)
        except ValueError as error:
            shown = _first_line(str(getattr(error, "doc", "") or error))
            text = f"{self.base_url} answered with something that is no chat completion: {shown!r}"
            advice = "the URL of an OpenAI-compatible server ends with /v1"
            return _Fault("server_not_json", f"{text}; {advice}", MAX_BAD_ANSWERS)

    def _http_fault(self, status: int, response: Any) -> _Fault:
        said = _server_message(response)
        text = f"{self.base_url} answered with status {status}: {said}"
        reason = f"server_http_{status}"
        if status in BUSY_STATUSES or status >= 500:
            wait = _seconds(response.headers.get("retry-after", ""))
            return _Fault(reason, text, is_fatal=status == 429, wait_seconds=wait)
        if status in REFUSING_STATUSES:
            return _Fault(reason, text, max_attempts=1, is_refusal=True)
        advice = {
            401: "set OPENAI_API_KEY, or HF_TOKEN for router.huggingface.co",
            402: "add credit, then run the same command again",
            403: "use a key that may call this model",
            404: f"check --base-url and that the server has a model '{self.model}'",
        }.get(status, "check --base-url")
        return _Fault(reason, f"{text}; {advice}", max_attempts=1, is_fatal=True)

    def _extras(self, request: Request, num: int) -> dict[str, Any]:
        """Arguments that not every server takes."""
        if not self._takes_extras:
            return {}
        wanted = {"n": num if num > 1 else None, "logprobs": request.logprobs or None}
        return {name: value for name, value in wanted.items() if value is not None}


def to_reply(output: "ChatCompletionOutput", messages: Messages) -> Reply:
    """The choices and tokens of a server's answer, whose fields may be anything.

    Raises ValueError for an answer without choices.
    """
    listed = output.get("choices")
    choices = [_choice(item) for item in listed] if isinstance(listed, list) else []
    if not choices:
        raise ValueError(f"an answer without choices: {json.dumps(output, default=str)}")
    usage = output.get("usage")
    counts = [usage.get(f"{kind}_tokens") for kind in ("prompt", "completion")] if usage else []
    if counts and all(isinstance(count, int) and count >= 0 for count in counts):
        return Reply(tuple(choices), counts[0], counts[1])
    texts = "".join(message["content"] for message in messages)
    return Reply(
        tuple(choices),
        len(texts) // CHARS_PER_TOKEN + 1,
        sum(len(choice.text) // CHARS_PER_TOKEN + 1 for choice in choices),
        has_usage=False,
    )


def check_base_url(base_url: str) -> str:
    """The address itself; raises ValueError for one that is none, or that holds a password."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"--base-url {base_url!r} is no address of a server; expected one such as "
            "http://localhost:8000/v1"
        )
    if parts.password or parts.query:
        raise ValueError(
            f"--base-url of {parts.hostname} holds a password or a query, which would be published "
            "with the command; put the key into OPENAI_API_KEY"
        )
    return base_url.rstrip("/")


def api_key(base_url: str) -> str:
    """The key for the address; "" when there is none.

    OPENAI_API_KEY; but Hugging Face's own hosts get HF_TOKEN first, and no other host gets it, over
    HTTPS only.
    """
    parts = urlsplit(base_url)
    is_hf = parts.scheme == "https" and parts.hostname in HF_HOSTS
    names = ("HF_TOKEN", "OPENAI_API_KEY") if is_hf else ("OPENAI_API_KEY",)
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def derived_seed(seed: int, number: int) -> int:
    """The seed of the completion with this number; that of number 0 is the seed itself.

    >>> derived_seed(7, 0), derived_seed(7, 1) == derived_seed(8, 1)
    (7, False)
    """
    return int(content_id(str(seed), str(number))[:7], 16) if number else seed


def _choice(item: Any) -> Choice:
    """Raises ValueError for a choice that holds no message."""
    message = item.get("message") if isinstance(item, dict) else None
    if not isinstance(message, dict):
        raise ValueError(f"a choice without message: {json.dumps(item, default=str)}")
    content = message.get("content")
    return Choice(
        content if isinstance(content, str) else "",
        _logprob(item.get("logprobs")),
        item.get("finish_reason") == "length",
    )


def _logprob(logprobs: Any) -> float | None:
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list) or not tokens:
        return None
    values = [token.get("logprob") if isinstance(token, dict) else None for token in tokens]
    known = [value for value in values if isinstance(value, (int, float))]
    return round(sum(known), 4) if len(known) == len(values) else None


def _server_message(response: Any) -> str:
    """What the server says about its refusal, in one line."""
    text = response.text
    try:
        body = json.loads(text)
        error = body.get("error", body) if isinstance(body, dict) else body
        text = str(error.get("message", error) if isinstance(error, dict) else error)
    except ValueError:
        pass
    return _first_line(text) or "no reason given"


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:MAX_SHOWN_CHARS] if lines else ""


def _seconds(header: str) -> float:
    """Seconds of a Retry-After header; 0 for a date or nothing."""
    try:
        return max(0.0, float(header))
    except ValueError:
        return 0.0
