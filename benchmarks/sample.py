"""Samples and tokens per second of a local model, beside plain `generate` one prompt at a time.

    python benchmarks/sample.py --model FOLDER --data SOURCE --out sample.json

All three ways give each prompt a greedy completion and `--num-samples` at temperature 1, with the
same model, in the same process, one after the other in each of `--repeat` rounds:
    ours     `sense.sampler`: prompts in batches, each encoded once for all of its completions, and
             what prompts of a batch begin with once for all of them
    batch    `generate` of one prompt, with `num_return_sequences`
    single   `generate` of one completion
Printed are medians over the rounds. Tokens are those of the completions, each with its end.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sense.command import run_script
from sense.example import Messages
from sense.facts import code_version, versions
from sense.inputs.question import open_questions
from sense.models.model import Model, load_model
from sense.sampler import sample_completions

Way = Callable[[Model, Sequence[Messages], int, int], list[str]]
"""(model, prompts, samples per prompt, most new tokens) -> all completions."""


class Measurement(NamedTuple):
    """One way in one round."""

    way: str
    seconds: float
    cpu_seconds: float
    num_completions: int
    num_tokens: int


def main() -> None:
    arguments = parse_arguments()
    model = load_model(arguments.model)
    questions = open_questions(
        arguments.data, arguments.split, arguments.databases, arguments.num_questions
    )
    prompts = [question.example.prompt for question in questions]
    found = []
    for _ in range(arguments.repeat):
        for name, way in WAYS.items():
            found.append(measure(name, way, model, prompts, arguments))
            print(json.dumps(found[-1]._asdict()), flush=True)
    result = {
        "num_parameters": model.model.num_parameters(),
        "device": str(model.model.device),
        "num_prompts": len(prompts),
        "num_samples": arguments.num_samples,
        "versions": versions(),
        "commit": code_version()[0],
        "measurements": [measurement._asdict() for measurement in found],
    }
    Path(arguments.out).write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(table(found))


def measure(
    name: str, way: Way, model: Model, prompts: Sequence[Messages], arguments: argparse.Namespace
) -> Measurement:
    started, cpu_started = time.perf_counter(), time.process_time()
    texts = way(model, prompts, arguments.num_samples, arguments.max_new_tokens)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    ids = model.tokenizer(texts, add_special_tokens=False)["input_ids"]
    num_tokens = sum(len(own) + 1 for own in ids)
    return Measurement(name, round(seconds, 3), round(cpu_seconds, 3), len(texts), num_tokens)


def ours(model: Model, prompts: Sequence[Messages], num: int, max_tokens: int) -> list[str]:
    temperatures = (0.0, *[1.0] * num)
    found = sample_completions(
        model.model, model.tokenizer, prompts, temperatures, max_new_tokens=max_tokens
    )
    return [completion.text for completions in found for completion in completions]


def batch(model: Model, prompts: Sequence[Messages], num: int, max_tokens: int) -> list[str]:
    return [
        text
        for prompt in prompts
        for text in (
            *generate(model, prompt, max_tokens, do_sample=False),
            *sampled(model, prompt, max_tokens, num_return_sequences=num),
        )
    ]


def single(model: Model, prompts: Sequence[Messages], num: int, max_tokens: int) -> list[str]:
    texts = []
    for prompt in prompts:
        texts += generate(model, prompt, max_tokens, do_sample=False)
        for _ in range(num):
            texts += sampled(model, prompt, max_tokens)
    return texts


WAYS: dict[str, Way] = {"ours": ours, "batch": batch, "single": single}


def sampled(model: Model, prompt: Messages, max_tokens: int, **options: Any) -> list[str]:
    return generate(model, prompt, max_tokens, do_sample=True, top_k=0, **options)


def generate(model: Model, prompt: Messages, max_tokens: int, **options: Any) -> list[str]:
    import torch

    generator: Any = model.model
    tokenizer: Any = model.tokenizer
    inputs = tokenizer.apply_chat_template(
        prompt, add_generation_prompt=True, return_tensors="pt", return_dict=True
    ).to(generator.device)
    with torch.inference_mode():
        output = generator.generate(**inputs, max_new_tokens=max_tokens, **options)
    new = output[:, inputs["input_ids"].shape[1] :]
    return [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]


def table(found: Sequence[Measurement]) -> str:
    """A line per way: medians over the rounds."""
    lines = [f"{'way':<8}{'seconds':>9}{'CPU s':>9}{'samples/s':>11}{'tokens/s':>10}"]
    for name in dict.fromkeys(measurement.way for measurement in found):
        own = [measurement for measurement in found if measurement.way == name]
        seconds = statistics.median(m.seconds for m in own)
        cpu_seconds = statistics.median(m.cpu_seconds for m in own)
        samples = statistics.median(m.num_completions / m.seconds for m in own)
        tokens = statistics.median(m.num_tokens / m.seconds for m in own)
        lines.append(f"{name:<8}{seconds:>9.2f}{cpu_seconds:>9.2f}{samples:>11.1f}{tokens:>10.0f}")
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", required=True, help="folder or Hub id")
    add("--data", required=True, help="folder or Hub id of the questions")
    add("--split", default="test", help="split of --data (default test)")
    add("--databases", help="SQLite files; default: those that --data publishes")
    add("--num-questions", type=int, default=64, help="a seeded choice (default 64)")
    add("--num-samples", type=int, default=4, help="per prompt, beside the greedy one (default 4)")
    add("--max-new-tokens", type=int, default=64)
    add("--repeat", type=int, default=3, help="rounds (default 3)")
    add("--out", required=True, help="file to write, JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
