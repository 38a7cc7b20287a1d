#!/bin/sh
# Build a libFuzzer target with the address and undefined behaviour sanitizers, as README.md tells.
#   CC=clang-14 PYTHON=python3 csrc/fuzz/build.sh media_message build/fuzz
set -eu
target=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")"
case $target in
media_message) sources="media_message.c json_text.c media_audio.c base64.c base64_x86.c
    g711.c g711_lanes.c g711_avx2.c g711_avx512.c
    resample.c fir_plan.c fir_shuffle.c fir_x86.c fir_neon.c" ;;
*) echo "$0: no target $target" >&2; exit 2 ;;
esac
config="${PYTHON:-python3} -c"
include=$($config "import sysconfig; print(sysconfig.get_path('include'))")
library=$($config "import sysconfig as s; print(s.get_config_var('LIBDIR'))")
version=$($config "import sysconfig as s; print(s.get_config_var('LDVERSION'))")
objects=
for source in $sources; do
  object=$out/${source%.c}.o
  ${CC:-clang} -g -O1 -std=gnu11 -fsanitize=fuzzer-no-link,address,undefined \
    -fno-sanitize-recover=undefined -c "../$source" -o "$object"
  objects="$objects $object"
done
${CC:-clang} -g -O1 -std=gnu11 -fsanitize=fuzzer,address,undefined \
  -fno-sanitize-recover=undefined -I.. -I"$include" "$target.c" $objects \
  -L"$library" -Wl,-rpath,"$library" -lpython"$version" -lm -o "$out/fuzz_$target"
