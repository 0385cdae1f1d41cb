"""A model behind chat servers as something that completes prompts, for evaluation and sampling."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sense.chat import Chat
from sense.example import Messages
from sense.servers.reply import Reply, Request
from sense.servers.server import Server, ServerError

if TYPE_CHECKING:
    from sense.ask import Writer
    from sense.prompt import PromptContract
    from sense.sampler import Completion

logger = logging.getLogger(__name__)


def server_writer(model: str, base_url: str) -> "Writer":
    """The model that a server calls `model`, as something that completes prompts."""
    return chat_writer(Chat(Server(model, base_url)))


def chat_writer(chat: Chat) -> "Writer":
    """The model of a chat as something that completes prompts.

    Its prompt contract is that of the folder with the model's name, where there is one; else the
    default one, with a notice, since a server says nothing of it. A prompt without a reply is a
    ServerError where it is completed, because it would count as a wrong answer; where it is sampled
    it has no samples and is counted in the log.
    """
    from sense.ask import Writer
    from sense.sampler import MAX_NEW_TOKENS, Completion

    def complete(prompts: Sequence[Messages]) -> list[str]:
        requests = [Request(prompt, max_tokens=MAX_NEW_TOKENS) for prompt in prompts]
        desc = "completing" if len(prompts) > 1 else ""
        replies = _all_replies(chat, requests, desc, must_answer=True)
        return [reply.choices[0].text for reply in replies]

    def sample(
        prompts: Sequence[Messages], temperatures: Sequence[float], seed: int
    ) -> list[list["Completion"]]:
        counts = Counter(temperatures)
        requests = [
            Request(prompt, temperature, seed, MAX_NEW_TOKENS, num, logprobs=True)
            for prompt in prompts
            for temperature, num in counts.items()
        ]
        replies = iter(_all_replies(chat, requests, "sampling", must_answer=False))
        failed = Counter[str]()
        samples: list[list[Completion]] = []
        for _ in prompts:
            found = {temperature: next(replies) for temperature in counts}
            failed.update({reply.reject_reason for reply in found.values()} - {""})
            choices = {temperature: iter(reply.choices) for temperature, reply in found.items()}
            is_whole = all(reply.choices for reply in found.values())
            chosen = [next(choices[t]) for t in temperatures] if is_whole else []
            samples.append([Completion(choice.text, choice.logprob) for choice in chosen])
        if failed:
            reasons = ", ".join(f"{reason} {num}" for reason, num in failed.most_common())
            num_empty = sum(not listed for listed in samples)
            logger.info("%d of %d prompts got no answer: %s", num_empty, len(samples), reasons)
        return samples

    return Writer(chat.model, "", _contract(chat.model), complete, sample)


def _all_replies(
    chat: Chat, requests: Sequence[Request], desc: str, must_answer: bool
) -> list[Reply]:
    """A reply to each request; a limit that leaves one out is an error, since none may be missing.

    Raises ServerError.
    """
    found = chat.ask_all(requests, desc, must_answer=must_answer)
    replies = [reply for reply in found if reply is not None]
    if len(replies) < len(found):
        raise ServerError(
            f"{chat.budget.reached} was reached after {len(replies):,} of {len(found):,} prompts; "
            "raise it and run the same command again: what was answered is kept"
        )
    return replies


def _contract(model: str) -> "PromptContract":
    from sense.prompt import CONTRACT_FILE, DEFAULT_CONTRACT, load_contract

    if Path(model, CONTRACT_FILE).is_file():
        return load_contract(model)
    logger.info(
        "the prompt contract of %s is unknown, since a server does not tell it: the default one is "
        "used; to use another, serve the model under the path of its folder",
        model,
    )
    return DEFAULT_CONTRACT
