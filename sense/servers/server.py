"""One attempt at one server that speaks the OpenAI chat protocol: checked, never trusted.

An attempt ends with a reply or with a fault, which says what it means for the request and for the
server; `sense.servers.balance` decides what to do about it. The client is huggingface_hub's httpx,
not its AsyncInferenceClient, because that one never holds more than 100 connections and looks
through all of them at each request. Here a connection has a client of its own, used by one request
at a time.
"""

import asyncio
import json
import os
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from sense.servers.reply import (
    FORMAT_NAME,
    REQUEST_SECONDS,
    Choice,
    Reply,
    Request,
    encodable,
    to_reply,
)

if TYPE_CHECKING:
    import ssl

    import httpx2

__all__ = ["Choice", "Reply", "Request", "Server", "ServerError", "api_key", "check_base_url"]

MAX_ANSWER_BYTES = 64_000_000
"""No completion has so many; a server that goes on and on would fill the memory."""
FAILING_STATUSES = (408, 409, 425)
"""The same request may fare better later, as after 5xx."""
BUSY_STATUSES = (429, 503, 529)
"""The server has too much to do for now; the last is Anthropic's."""
REFUSING_STATUSES = (400, 413, 422)
"""The server does not like this request; others may fare better."""
QUOTA_CODES = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
"""Codes of OpenAI that come with status 429 although waiting changes nothing."""
TLS_ADVICE = {
    "CERTIFICATE_VERIFY_FAILED": "name the authority of its certificate in SSL_CERT_FILE, or "
    "correct the URL",
    "WRONG_VERSION_NUMBER": "it speaks no https: begin the URL with http://",
}
"""What OpenSSL says of a server that no waiting mends, and what does."""
MAX_RETRY_AFTER_SECONDS = 900.0
"""A server that asks to wait longer is left alone for this run."""
HF_HOSTS = ("huggingface.co", "router.huggingface.co", "hf.co")
"""Hosts of Hugging Face itself; under hf.space and huggingface.cloud anyone serves."""
MIN_ID_CHARS = 8
"""A shorter id of an answer does not tell it from others."""
MAX_SHOWN_CHARS = 160

FaultKind = Literal["busy", "unreachable", "failed", "garbled", "refused", "unusable"]
"""busy, unreachable: the server may be back soon; failed, garbled: this attempt; refused: the
request; unusable: every request."""


class ServerError(RuntimeError):
    """No server can be used: unreachable, no such model, a refused key, no chat server."""


class Fault(NamedTuple):
    """What went wrong in one attempt."""

    kind: FaultKind
    reason: str
    """For the reply, should the request fail for good."""
    error: str
    is_slow: bool = False
    """Whether the server may have too much to do."""
    wait_seconds: float = 0.0
    """What the server asks to wait."""


class Lane:
    """A connection to a server, used by one request at a time."""

    def __init__(self, client: "httpx2.AsyncClient", url: "httpx2.URL") -> None:
        self.client = client
        self.url = url
        """Read once: it takes a tenth of a request's time."""
        self.last_id = ""
        """That of the last answer, which a server that answers twice would give again."""


class Server:
    """A model behind an address."""

    def __init__(
        self,
        model: str,
        base_url: str,
        request_seconds: float = REQUEST_SECONDS,
        first_wait_seconds: float = 1.0,
    ) -> None:
        """first_wait_seconds: before a second attempt; it doubles from one to the next.

        Raises ValueError for an address that is none, or that holds a secret.
        """
        self.model = model
        self.base_url = check_base_url(base_url)
        self.first_wait_seconds = first_wait_seconds
        self.num_sent = 0
        """Requests sent so far, each attempt counted."""
        self.refused_names: frozenset[str] = frozenset()
        """Arguments that it has refused, and answered without."""
        self.taken_names: frozenset[str] = frozenset()
        """Arguments that it has answered with."""
        self._request_seconds = request_seconds
        self._has_ids = True
        self._repeated_id = ""

    def open_lane(self) -> Lane:
        """A connection that is not yet made."""
        from huggingface_hub.utils import httpx

        headers = {"Content-Type": "application/json"}
        if key := api_key(self.base_url):
            headers["Authorization"] = f"Bearer {key}"
        client = httpx.AsyncClient(
            headers=headers, timeout=None, verify=_ssl_context(), follow_redirects=True
        )
        return Lane(client, httpx.URL(f"{self.base_url}/chat/completions"))

    def extras(self, request: Request, num: int) -> dict[str, Any]:
        """Arguments that not every server takes, without those that this one has refused."""
        schema = {"name": FORMAT_NAME, "schema": request.schema, "strict": True}
        wanted = {
            "n": num if num > 1 else None,
            "logprobs": request.logprobs or None,
            "response_format": request.schema and {"type": "json_schema", "json_schema": schema},
        }
        return {
            name: value
            for name, value in wanted.items()
            if value is not None and name not in self.refused_names
        }

    async def attempt(
        self, lane: Lane, request: Request, num: int, seed: int, extras: Mapping[str, Any]
    ) -> Reply | Fault:
        """The server's answer to `num` completions of the request."""
        from huggingface_hub.utils import httpx

        body = {
            "model": self.model,
            "messages": request.messages,
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": seed,
            "stream": False,
            **extras,
        }
        started = time.monotonic()
        self.num_sent += 1
        try:
            # httpx limits each wait for a piece: a server that trickles would never be given up.
            async with asyncio.timeout(self._request_seconds):
                status, headers, text = await self._post(lane, json.dumps(body).encode())
        except TimeoutError:
            said = f"{self.base_url} did not answer within {self._request_seconds:g} s"
            advice = "raise --request-seconds or ask for less at once"
            return Fault("failed", "server_timeout", f"{said}; {advice}", is_slow=True)
        except (httpx.ConnectError, httpx.UnsupportedProtocol) as error:
            said = f"{self.base_url} cannot be reached: {error}"
            for sign, advice in TLS_ADVICE.items():
                if sign in str(error):
                    return Fault("unusable", "server_unreachable", f"{said}; {advice}")
            advice = "start the server or correct the URL"
            return Fault("unreachable", "server_unreachable", f"{said}; {advice}")
        except httpx.TransportError as error:
            reason = _first_line(str(error)) or "it sent no answer; is it an https address?"
            said = f"{self.base_url} cut the connection: {reason}"
            return Fault("failed", "server_cut", said)
        except (httpx.TooManyRedirects, httpx.DecodingError, ValueError) as error:
            return self._garbled(str(error))
        if status != 200:
            return self._status_fault(status, headers, text)
        return self._read(lane, text, request, num, time.monotonic() - started)

    async def _post(self, lane: Lane, body: bytes) -> tuple[int, Mapping[str, str], str]:
        async with lane.client.stream("POST", lane.url, content=body) as response:
            received = bytearray()
            async for part in response.aiter_bytes():
                received += part
                if len(received) > MAX_ANSWER_BYTES:
                    raise ValueError(f"an answer of more than {MAX_ANSWER_BYTES:,} bytes")
            return response.status_code, response.headers, received.decode(errors="replace")

    def _read(
        self, lane: Lane, text: str, request: Request, num: int, seconds: float
    ) -> Reply | Fault:
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            return self._garbled(text)
        try:
            reply = to_reply(answer, request, num, seconds)
        except ValueError as error:
            return self._garbled(str(error))
        name = answer.get("id")
        if self._has_ids and isinstance(name, str) and len(name) >= MIN_ID_CHARS:
            if name == lane.last_id:
                self._repeated_id = name
                return self._garbled(f"answer {name} for the second time")
            self._has_ids = name != self._repeated_id  # again, on a new connection: ids say nothing
            lane.last_id = name
        return reply

    def _garbled(self, text: str) -> Fault:
        said = f"{self.base_url} answered with something that is no chat completion"
        advice = "the URL of an OpenAI-compatible server ends with /v1"
        return Fault("garbled", "server_not_json", f"{said}: {_first_line(text)!r}; {advice}")

    def _status_fault(self, status: int, headers: Mapping[str, str], text: str) -> Fault:
        said, code = _server_message(text)
        error = f"{self.base_url} answered with status {status}: {said}"
        reason = f"server_http_{status}"
        wait = _seconds(headers.get("retry-after", ""))
        if code in QUOTA_CODES:
            status = 402
        if wait > MAX_RETRY_AFTER_SECONDS:
            advice = f"it asks to wait {wait:,.0f} s: run the same command again then"
            return Fault("unusable", reason, f"{error}; {advice}")
        if status in BUSY_STATUSES:
            error += "; lower --concurrency, or run the same command again later"
            return Fault("busy", reason, error, is_slow=True, wait_seconds=wait)
        if status in FAILING_STATUSES or status >= 500:
            error += "; look at the server's log, then run the same command again"
            return Fault("failed", reason, error, wait_seconds=wait)
        if status in REFUSING_STATUSES:
            error += "; check the model's name, and that prompt and answer fit into its context"
            return Fault("refused", reason, error)
        advice = {
            401: "set OPENAI_API_KEY, or HF_TOKEN for router.huggingface.co",
            402: "add credit, then run the same command again",
            403: "use a key that may call this model",
            404: f"check --base-url and that the server has a model '{self.model}'",
        }.get(status, "check --base-url")
        return Fault("unusable", reason, f"{error}; {advice}")


def check_base_url(base_url: str) -> str:
    """The address itself; raises ValueError for one that is none, or that holds a secret."""
    try:
        parts = urlsplit(base_url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # of brackets or a port
        has_host = False
    if not has_host or parts.scheme not in ("http", "https"):
        raise ValueError(
            f"--base-url {base_url!r} is no address of a server; expected one such as "
            "http://localhost:8000/v1"
        )
    if parts.username or parts.password or parts.query:
        raise ValueError(
            f"--base-url of {parts.hostname} holds a name, a password or a query, which would be "
            "published with the command; put the key into OPENAI_API_KEY"
        )
    return base_url.rstrip("/")


def api_key(base_url: str) -> str:
    """The key for the address; "" when there is none.

    OPENAI_API_KEY; but Hugging Face's own hosts get HF_TOKEN first, and no other host gets it, over
    HTTPS only. Raises ValueError, without the key, for one that no header can hold.
    """
    parts = urlsplit(base_url)
    is_hf = parts.scheme == "https" and parts.hostname in HF_HOSTS
    names = ("HF_TOKEN", "OPENAI_API_KEY") if is_hf else ("OPENAI_API_KEY",)
    for name in names:
        if key := os.environ.get(name, "").strip():
            if key.isascii() and key.isprintable():
                return key
            raise ValueError(
                f"{name} holds something that no key has, such as a line break or a letter with an "
                "accent; set it to the key alone"
            )
    return ""


@cache
def _ssl_context() -> "ssl.SSLContext":
    """One for all connections: making one reads the certificates, about 20 ms."""
    from huggingface_hub.utils import httpx

    return httpx.create_ssl_context()


def _server_message(text: str) -> tuple[str, str]:
    """What the server says about its refusal, in one line, and its code, "" where there is none."""
    code = ""
    try:
        body = json.loads(text)
        error = body.get("error", body) if isinstance(body, dict) else body
        text = str(error.get("message", error) if isinstance(error, dict) else error)
        code = str(error.get("code", "")) if isinstance(error, dict) else ""
    except (ValueError, RecursionError):
        pass
    return _first_line(text) or "no reason given", code


def _first_line(text: str) -> str:
    lines = encodable(text).strip().splitlines()
    return lines[0][:MAX_SHOWN_CHARS] if lines else ""


def _seconds(header: str) -> float:
    """Seconds of a Retry-After header, which holds a number or a date; 0 for anything else.

    >>> _seconds("1.5"), _seconds("-1"), _seconds("nan"), _seconds("soon")
    (1.5, 0.0, 0.0, 0.0)
    """
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return 0.0
    return seconds if seconds > 0 else 0.0
