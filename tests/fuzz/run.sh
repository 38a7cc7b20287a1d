#!/usr/bin/env bash
# Run every Python fuzz target for FUZZ_SECONDS (20). Ends with status 1 at the first finding, whose
# input is then in build/fuzz/findings.
#   PYTHON=.venv/bin/python tests/fuzz/run.sh [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/../.."
targets=("$@")
[ $# -gt 0 ] || targets=(sip_message sip_endpoint sdp rtcp webrtc stun)
mkdir -p build/fuzz
for target in "${targets[@]}"; do
  log=build/fuzz/$target.log
  PYTHONPATH=tests:. "${PYTHON:-python3}" -m fuzz "$target" --seconds "${FUZZ_SECONDS:-20}" \
    --findings build/fuzz/findings >"$log" 2>&1 ||
    { tail -50 "$log"; echo "fuzz $target: FINDING, kept in build/fuzz/findings"; exit 1; }
  guided=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  if [ -n "$guided" ]; then
    echo "fuzz $target: $guided executions, no finding"
  else
    tail -1 "$log"
  fi
done
