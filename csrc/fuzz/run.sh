#!/usr/bin/env bash
# Build every C fuzz target and run each for FUZZ_SECONDS (20), or for FUZZ_RUNS executions. Ends
# with status 1 at the first finding, whose input is then in build/fuzz/findings. Without a clang
# that has libFuzzer nothing runs, which is said loudly, and with CI=true is a failure.
#   PYTHON=.venv/bin/python csrc/fuzz/run.sh [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/../.."
out=build/fuzz
python=${PYTHON:-python3}
case $python in [!/]*/*) python=$PWD/$python ;; esac # build.sh looks from another folder
mkdir -p "$out/findings"

leave_out() {
  echo
  echo "******  make fuzz: LEFT OUT: $1"
  echo "******  $2"
  echo
  [ "${CI:-}" != true ] || exit 1
}

has_libfuzzer() {
  command -v "$1" >/dev/null &&
    echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n > 9 ? 0 : 0; }' |
    "$1" -x c - -fsanitize=fuzzer,address -o "$out/trial" 2>/dev/null
}

find_clang() {
  local candidate
  for candidate in ${CC:+"$CC"} clang clang-{30..14}; do
    ! has_libfuzzer "$candidate" || { echo "$candidate"; return; }
  done
}

has_libpython() {
  "$python" - <<'PY'
import glob, sys
from sysconfig import get_config_var as var
sys.exit(not glob.glob(f"{var('LIBDIR')}/libpython{var('LDVERSION')}.*"))
PY
}

targets=("$@")
[ $# -gt 0 ] || targets=(rtp g722 dtmf conceal stream media_message)
clang=$(find_clang)
if [ -z "$clang" ]; then
  leave_out "the C targets ${targets[*]}" \
    "No clang with libFuzzer was found. On Debian/Ubuntu: apt-get install clang libclang-rt-dev"
  exit 0
fi
"$python" csrc/fuzz/make_seeds.py "$out/seeds"
export ASAN_OPTIONS=quarantine_size_mb=8 UBSAN_OPTIONS=print_stacktrace=1
for target in "${targets[@]}"; do
  seeds=$out/seeds/$target
  options=(-max_len=128)
  if [ "$target" = media_message ]; then
    if ! has_libpython; then
      leave_out media_message "This Python has no libpython to embed. On Debian: python3-dev"
      continue
    fi
    # Leaks are not reported because CPython keeps interned objects until exit.
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 PYTHONMALLOC=malloc
    seeds=csrc/fuzz/seeds/$target
    options=(-max_len=600 -dict=csrc/fuzz/media_message.dict)
  fi
  CC=$clang PYTHON=$python csrc/fuzz/build.sh "$target" "$out"
  limit=-max_total_time=${FUZZ_SECONDS:-20}
  [ -z "${FUZZ_RUNS:-}" ] || limit=-runs=$FUZZ_RUNS
  mkdir -p "$out/corpus/$target"
  log=$out/$target.log
  "$out/fuzz_$target" "${options[@]}" "$limit" -timeout=20 -artifact_prefix="$out/findings/" \
    -print_final_stats=1 "$out/corpus/$target" "$seeds" >"$log" 2>&1 ||
    { tail -50 "$log"; echo "fuzz $target: FINDING, kept in $out/findings"; exit 1; }
  echo "fuzz $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions," \
    "no finding"
done
