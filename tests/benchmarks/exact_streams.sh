#!/usr/bin/env bash
# 1,000 streams, every way of reading them: all lines must be equal.
# usage: tests/benchmarks/exact_streams.sh [COUNT] [OTHER_PYTHON ...]   (from the repository root)
set -euo pipefail
count=${1:-1000}
shift || true
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python -m tests.exactness write "$folder" "$count"
read_() { printf '%-34s %s\n' "$1" "$(XLA_FLAGS=$2 "${@:3}" 2>/dev/null | sha256sum | cut -c1-64)"; }
run="python -m tests.exactness"
read_ "NumPy" "" $run read "$folder"
read_ "JAX" "" $run read "$folder" --jax
read_ "NumPy, 1 thread" "" taskset -c 0 $run read "$folder"
read_ "NumPy, older processor" "" env OPENBLAS_CORETYPE=Prescott $run read "$folder"
read_ "JAX, xla_cpu_max_isa=SSE4_2" "--xla_cpu_max_isa=SSE4_2" $run read "$folder" --jax
read_ "JAX, xla_cpu_enable_fast_math=true" "--xla_cpu_enable_fast_math=true" $run read "$folder" --jax
read_ "JAX, xla_cpu_enable_fast_math=false" "--xla_cpu_enable_fast_math=false" $run read "$folder" --jax
for other in "$@"; do
  version=$("$other" -c "import jax; print(jax.__version__)")
  read_ "jax $version" "" "$other" -m tests.exactness read "$folder"
done
for batch in 1 8; do
  read_ "hyper-synthesis, batch $batch" "" $run models "$folder" --batch "$batch"
done
