#!/usr/bin/env bash
# The SENSE method end to end at tiny size, without a key, a GPU or a network. `make demo` runs it.
# Every command below can be typed by hand; a stage whose result is there is skipped, so that an
# interrupted demo goes on where it was.
#   OUT         where everything lies (default runs/demo)
#   DEMO_SIZE   full (default), or smoke: the same stages in a few minutes, to see that they work
#   DEMO_SERVE  0 ends after the table instead of starting the Space
set -euo pipefail

OUT=${OUT:-runs/demo}
case ${DEMO_SIZE:-full} in
    full) DATABASES=600 EXAMPLES=16600 TEST=600 QUESTIONS=1500 SAMPLES=5 SFT=() WEAKER=() DPO=() ;;
    smoke) # eight steps teach nothing: gold is the right answer of every pair, and as few answers
        # are queries at all, the test split may have no pair
        DATABASES=24 EXAMPLES=520 TEST=40 QUESTIONS=48 SAMPLES=3 OUT=$OUT-smoke
        SFT=(--max_steps 8) WEAKER=(--gold-as-chosen when_none_correct)
        DPO=(--max_steps 2 --eval_strategy no) ;;
    *) echo "DEMO_SIZE is '$DEMO_SIZE'; expected full or smoke" >&2 && exit 2 ;;
esac
STRONG=$OUT/sense/strong WEAK=$OUT/sense/weak BASE=$OUT/base SFT_MODEL=$OUT/sense/tiny-sft MODEL=$OUT/sense/tiny
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 TOKENIZERS_PARALLELISM=false
SECONDS=0

stage() { # title, the file that shows that it is done
    printf '\n== %s (after %d s)\n' "$1" $SECONDS
    [ ! -e "$2" ] || { echo "done before: $2" && false; }
}
train() { accelerate launch --quiet --num_cpu_threads_per_process 2 --config_file recipes/accelerate/cpu.yaml "$@"; }
score() { # name, then what answers
    [ -e "$OUT/scores/$1" ] ||
        python recipes/evaluate.py --data "$STRONG" --split test --rule strict --out "$OUT/scores/$1" "${@:2}"
}

if stage "1. Strong set: a grammar stands in for the strong LLM" "$STRONG"; then
    python builders/strong.py --teacher grammar --invent $DATABASES --invented-names 0.5 \
        --num-examples $EXAMPLES --num-test $TEST --contract tiny --seed 0 --out "$STRONG"
fi
if stage "2. SFT: a million parameters, from scratch" "$SFT_MODEL/facts.json"; then
    [ -e "$BASE" ] || python -m sense.tiny --data "$STRONG" --out "$BASE"
    train recipes/sft.py --config recipes/tiny/sft.yaml --model_name_or_path "$BASE" \
        --dataset_name "$STRONG" --output_dir "$SFT_MODEL" "${SFT[@]}"
fi
if stage "3. Weak set: the checkpoint at half time answers, a database judges" "$WEAK"; then
    HALF=$(find "$SFT_MODEL" -name 'checkpoint-*' | sort -V | head -n 1)
    python builders/weak.py --model "$HALF" --data "$STRONG" --num-questions $QUESTIONS \
        --num-samples $SAMPLES --max-pairs 2 --seed 0 --out "$WEAK" "${WEAKER[@]}"
fi
if stage "4. DPO on the pairs" "$MODEL/facts.json"; then
    train recipes/dpo.py --config recipes/tiny/dpo.yaml --model_name_or_path "$SFT_MODEL" \
        --dataset_name "$WEAK" --output_dir "$MODEL" "${DPO[@]}"
fi
if stage "5. Evaluation on domains that no training question came from" "$OUT/scores/dpo"; then
    score constant --baseline constant
    score nearest --baseline nearest
    score before --model "$BASE"
    score sft --model "$SFT_MODEL"
    score dpo --model "$MODEL"
fi
python recipes/card.py "$SFT_MODEL" --benchmark sense/strong \
    sft="$OUT/scores/sft" constant="$OUT/scores/constant" nearest="$OUT/scores/nearest"
python recipes/card.py "$MODEL" --benchmark sense/strong \
    dpo="$OUT/scores/dpo" sft="$OUT/scores/sft" constant="$OUT/scores/constant" nearest="$OUT/scores/nearest"

printf '\n== Execution accuracy, strict rule (after %d s)\n' $SECONDS
python recipes/evaluate.py --compare constant="$OUT/scores/constant" nearest="$OUT/scores/nearest" \
    before="$OUT/scores/before" sft="$OUT/scores/sft" dpo="$OUT/scores/dpo" | tee "$OUT/table.md"
cat <<END

Everything lies in $OUT:
  sense/strong    the strong set: load_dataset("$STRONG")
  sense/weak      the preference pairs: load_dataset("$WEAK")
  sense/tiny-sft  the model after SFT, with its card
  sense/tiny      the model after DPO, with its card
  scores/         every answer with its verdict, by system
Ask a file of yours: python -m sense ask my.sqlite "How many rows are there?" --model $MODEL
END

[ "${DEMO_SERVE:-1}" = 0 ] || SENSE_MODEL=$MODEL exec python space/app.py
