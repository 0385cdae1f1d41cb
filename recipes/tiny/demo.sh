#!/usr/bin/env bash
# The SENSE method end to end at tiny size, without a key, a GPU or a network. `make demo` runs it.
# Each line below is a command that you can run by hand; a stage whose result is there is skipped.
#   OUT         where everything lies (default runs/demo)
#   DEMO_SIZE   full (default, about 20 minutes on 2 cores) or smoke (the same stages in about 3)
#   DEMO_SERVE  0 ends after the table instead of starting the Space
set -euo pipefail

OUT=${OUT:-runs/demo}
case ${DEMO_SIZE:-full} in
    full) DATABASES=320 EXAMPLES=30600 TEST=600 STEPS="" QUESTIONS=2000 SAMPLES=6 ;;
    smoke) DATABASES=24 EXAMPLES=660 TEST=60 STEPS="--max_steps 12" QUESTIONS=48 SAMPLES=4 OUT=$OUT-smoke ;;
    *) echo "DEMO_SIZE is '$DEMO_SIZE'; expected full or smoke" >&2; exit 2 ;;
esac
