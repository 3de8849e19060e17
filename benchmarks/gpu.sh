#!/usr/bin/env bash
# All figures of an accelerator by one command: a table, results/gpu/gpu.json, and the longest kernels.
#   benchmarks/gpu.sh [options of benchmarks/gpu.py]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export KERAS_BACKEND="${KERAS_BACKEND:-jax}" PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python3}" benchmarks/gpu.py --profile ours:train:resnet50:bfloat16:8 "$@"
