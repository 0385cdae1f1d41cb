# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit[train]"]
# ///
"""Merge a LoRA adapter into its base: one model to train further, to serve or to publish.

    python recipes/merge.py runs/qwen2.5-coder-7b-lora/sft --out runs/qwen2.5-coder-7b-lora/merged

The adapter is what recipes/sft.py or recipes/dpo.py left under `use_peft`; recipes/dpo.py takes
whole models only. Card, facts, tokenizer and prompt contract go along. It runs on the CPU.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from peft import AutoPeftModelForCausalLM

from sense.command import run_script
from sense.facts import FACTS_FILE, read_facts, write_facts
from sense.publishing.folder import check_folder, release_files
from sense.release import check_output


def main() -> None:
    arguments = parse_arguments()
    adapter, out = arguments.adapter, check_output(arguments.out)
    check_adapter(adapter)
    merged = AutoPeftModelForCausalLM.from_pretrained(adapter, dtype="auto").merge_and_unload()
    merged.save_pretrained(out)
    copy_companions(adapter, out)
    check_folder(out, "model")
    print(f"written to {out}")


def check_adapter(folder: Path) -> None:
    """Raises FileNotFoundError when the folder holds no adapter of this project."""
    for name in ("adapter_config.json", "sense_prompt.json", FACTS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} has no {name}; expected an adapter as recipes/sft.py or recipes/dpo.py "
                "leaves it with use_peft: true"
            )


def copy_companions(adapter: Path, out: Path) -> None:
    """Copies what belongs to the model beside its weights, and lists the files in its facts."""
    for name in release_files(adapter):
        if not name.startswith("adapter_"):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(adapter / name, out / name)
    facts = read_facts(out)
    files = sorted({*release_files(out), FACTS_FILE})
    write_facts(replace(facts, results={**facts.results, "files": files}), out)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("adapter", type=Path, help="folder of the adapter")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
