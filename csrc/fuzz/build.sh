#!/bin/sh
# Build a libFuzzer target with the address and undefined behaviour sanitizers, as README.md tells.
#   CC=clang PYTHON=python3 csrc/fuzz/build.sh TARGET FOLDER
set -eu
target=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")"
g711="g711.c g711_lanes.c g711_avx2.c g711_avx512.c"
resample="resample.c fir_plan.c fir_shuffle.c fir_x86.c fir_neon.c"
python=
case $target in
rtp) sources=rtp.c ;;
g722) sources=g722.c ;;
dtmf) sources=dtmf.c ;;
conceal) sources="conceal.c gap_side.c noise_floor.c comfort_noise.c lpc.c" ;;
stream) sources="stream.c adaptive.c address.c adjust.c backlog.c burst.c conceal.c comfort_noise.c
    datagram_queue.c dtx.c frame_line.c gap_side.c ingress.c jitter.c latch.c lateness.c listener.c lpc.c
    meter.c monitor.c noise_floor.c packer.c payload.c playout.c relay.c sender.c skew.c srtp.c
    steps.c stragglers.c stretch.c telephone_event.c timeline.c rtp.c source.c sources.c dsp.c g722.c $g711
    $resample" ;;
media_message) sources="media_message.c json_text.c media_audio.c base64.c base64_x86.c
    $g711 $resample"
  config="${PYTHON:-python3} -c"
  include=$($config "import sysconfig; print(sysconfig.get_path('include'))")
  library=$($config "import sysconfig as s; print(s.get_config_var('LIBDIR'))")
  version=$($config "import sysconfig as s; print(s.get_config_var('LDVERSION'))")
  python="-I$include -L$library -Wl,-rpath,$library -lpython$version" ;;
*) echo "$0: no target $target" >&2; exit 2 ;;
esac

# Loops over samples have nothing to match: untraced comparisons make them several times faster.
trace() {
  case $1 in
  conceal.c | gap_side.c | noise_floor.c | comfort_noise.c | lpc.c | fuzz/conceal.c) ;;
  g711*.c | g722.c | dtmf.c | dsp.c | fir_*.c | resample.c | frame_line.c | payload.c) ;;
  adaptive.c | adjust.c | backlog.c | jitter.c | steps.c | stretch.c) ;;
  fuzz/g722.c | fuzz/dtmf.c | fuzz/stream.c) ;;
  *) return ;;
  esac
  echo -fno-sanitize-coverage=trace-cmp
}

sanitizers=${SANITIZERS:-address,undefined}
compile="${CC:-clang} -g -O2 -std=gnu11 -Wall -Wextra -fno-sanitize-recover=undefined"
objects=
mkdir -p "$out/$target.o"
for source in $sources; do
  object=$out/$target.o/${source%.c}.o
  $compile -fsanitize=fuzzer-no-link,"$sanitizers" $(trace "$source") -c "../$source" -o "$object"
  objects="$objects $object"
done
# shellcheck disable=SC2086  # lists of words
$compile -fsanitize=fuzzer,"$sanitizers" $(trace "fuzz/$target.c") -I.. "$target.c" $objects \
  $python -lm -o "$out/fuzz_$target"
