#!/usr/bin/env bash
# From nothing to a trained model, Table 1 and a picture; see `./run.sh --help`.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
  cat <<'TEXT'
./run.sh                  trains depth + instances on a synthetic city for some minutes, prints Table 1, draws a figure
./run.sh test             ruff and the fast tests (./run.sh test -m slow: the slow ones)
./run.sh --full           configs/instance.py as it is, on a city of 9,000 training and 2,000 evaluation frames
./run.sh --kitti360=PATH  configs/instance.py as it is, on the KITTI-360 download in PATH

All files are written to out/ (OUT=DIR selects another folder); a second run reuses finished parts.
PYTHON=python3.12 selects the interpreter (3.11 or newer); EXTRA=cuda or EXTRA=tpu installs jax for an accelerator.
TEXT
}

say() { printf '\n== %s\n' "$*"; }

# Creates the environment; repeated only when the files that it depends on change.
environment() {
  local extras="$1${EXTRA:+,$EXTRA}" stamp wanted
  command -v "${PYTHON:-python3}" >/dev/null || { echo "error: ${PYTHON:-python3} is not installed; set PYTHON to Python 3.11 or newer." >&2; exit 2; }
  "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "error: Python 3.11 or newer is needed; set PYTHON to one." >&2; exit 2; }
  wanted="$(cat pyproject.toml constraints.txt | cksum) $("${PYTHON:-python3}" --version)"
  stamp="$OUT/venv/installed-$extras"
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    say "installing into $OUT/venv"
    [ -x "$OUT/venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$OUT/venv"
    "$OUT/venv/bin/python" -m pip install --disable-pip-version-check --quiet --progress-bar on \
      --constraint constraints.txt --editable ".[$extras]"
    echo "$wanted" >"$stamp"
  fi
  export PATH="$OUT/venv/bin:$PATH"
}

# glibc then asks Linux for huge pages: a training step on a CPU takes a quarter less time (docs/performance.md).
export GLIBC_TUNABLES="${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}"
OUT="$(mkdir -p "${OUT:-out}" && cd "${OUT:-out}" && pwd)"
RUN="python -m mtl_depth.main"

# Evaluation, Table 1 and the figure of a trained run.
results() {
  local config="$1" run="$2" tfds="$3"
  say "evaluation on frames that were not trained on"
  $RUN --config="$config" --workdir="$run" --config.data.data_dir="$tfds" --mode=evaluate
  say "Table 1"
  python -m mtl_depth.table "$run" --json="$run/table.json"
  say "figure"
  $RUN --config="$config" --workdir="$run" --config.data.data_dir="$tfds" --mode=predict --output="$run/pictures"
  say "done: $run/pictures/figure.png and, to open in a browser, $run/pictures/page.html"
}

quick() {
  local city="$OUT/city" tfds="$OUT/tfds" run="$OUT/runs/instance" config=configs/laptop.py:instance
  say "a synthetic city in KITTI-360's layout"
  python -m tfds_kitti360.city --out="$city" --drives=6 --frames=60 --size=188x704 --seed=0 --no_truth
  say "TFDS data set"
  python -m tfds_kitti360.build --manual_dir="$city" --data_dir="$tfds" --size=96x320
  say "training depth + instances (recorded motion: with predicted motion the depth collapses first, which takes longer)"
  $RUN --config="$config" --workdir="$run" --config.data.data_dir="$tfds"
  results "$config" "$run" "$tfds"
}

full() {
  local tfds="$OUT/tfds_full" run="$OUT/runs/instance_full" raw="$1"
  if [ -z "$raw" ]; then
    raw="$OUT/city_full"
    say "a synthetic city of 9,000 training and 2,000 evaluation frames (three quarters of those drawn have labels)"
    python -m tfds_kitti360.city --out="$raw" --drives=6 --frames=2800 --size=192x720 --seed=0 --no_truth
  fi
  say "TFDS data set"
  python -m tfds_kitti360.build --manual_dir="$raw" --data_dir="$tfds"
  say "training configs/instance.py"
  $RUN --config=configs/instance.py --workdir="$run" --config.data.data_dir="$tfds" --config.data.manual_dir="$raw"
  results configs/instance.py "$run" "$tfds"
}

case "${1:-}" in
  "") environment run && quick ;;
  test)
    environment test
    say "ruff" && ruff check . && ruff format --check .
    say "tests" && shift && python -m pytest -n auto --dist=loadfile --no-loadscope-reorder -m "not slow" --durations=20 "$@"
    ;;
  --full) environment run && full "" ;;
  --kitti360=*)
    [ -d "${1#*=}" ] || { echo "error: ${1#*=} is not a folder; give the root of a KITTI-360 download." >&2; exit 2; }
    kitti360="$(cd "${1#*=}" && pwd)"
    environment run && full "$kitti360"
    ;;
  --help | -h) usage ;;
  *) echo "error: $1 is not an option; ./run.sh --help lists all options." >&2; exit 2 ;;
esac
