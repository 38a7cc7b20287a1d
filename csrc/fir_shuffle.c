/* Dealing input out to streams and weaving rows into output, and the sets of kernels that go
 * together: the same C, compiled once for the baseline and once for AVX2, whose byte shuffles make
 * the strides of three cheap.
 */
#include <string.h>

#include "fir.h"

/* With the stride known, the compiler uses shuffles: what is inlined here is called with
 * constants. */
#define INLINE static inline __attribute__((always_inline))

INLINE void deal_strided(const int16_t *restrict in, size_t n, uint32_t down,
                         int16_t *restrict streams)
{
    for (size_t i = 0; i < n; i++)
        for (uint32_t stream = 0; stream < down; stream++)
            streams[stream * RM_FIR_STREAM + i] = in[i * down + stream];
}

INLINE void deal_any(const int16_t *in, size_t n, uint32_t down, int16_t *streams)
{
    if (down == 1)
        memcpy(streams, in, n * sizeof *in);
    else if (down == 2)
        deal_strided(in, n, 2, streams);
    else if (down == 3)
        deal_strided(in, n, 3, streams);
    else
        deal_strided(in, n, down, streams);
}

INLINE void weave_strided(const int16_t *const *rows, uint32_t up, size_t n, int16_t *restrict out)
{
    const int16_t *row[RM_MAX_UP];
    for (uint32_t i = 0; i < up; i++)
        row[i] = rows[i];
    for (size_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < up; j++)
            out[i * up + j] = row[j][i];
}

INLINE void weave_any(const int16_t *const *rows, uint32_t up, size_t n, int16_t *out)
{
    if (up == 1)
        memcpy(out, rows[0], n * sizeof *out);
    else if (up == 2)
        weave_strided(rows, 2, n, out);
    else if (up == 3)
        weave_strided(rows, 3, n, out);
    else
        weave_strided(rows, up, n, out);
}

static void deal(const int16_t *in, size_t n, uint32_t down, int16_t *streams)
{
    deal_any(in, n, down, streams);
}

static void weave(const int16_t *const *rows, uint32_t up, size_t n, int16_t *out)
{
    weave_any(rows, up, n, out);
}

#if RM_X86

RM_TARGET_AVX2 static void deal_avx2(const int16_t *in, size_t n, uint32_t down, int16_t *streams)
{
    deal_any(in, n, down, streams);
}

RM_TARGET_AVX2 static void weave_avx2(const int16_t *const *rows, uint32_t up, size_t n,
                                      int16_t *out)
{
    weave_any(rows, up, n, out);
}

RM_TARGET_AVX512 static void deal_avx512(const int16_t *in, size_t n, uint32_t down,
                                         int16_t *streams)
{
    deal_any(in, n, down, streams);
}

RM_TARGET_AVX512 static void weave_avx512(const int16_t *const *rows, uint32_t up, size_t n,
                                          int16_t *out)
{
    weave_any(rows, up, n, out);
}

const rm_fir_kernels rm_fir_kernels_sse2 = {rm_fir_sse2, deal, weave};
const rm_fir_kernels rm_fir_kernels_avx2 = {rm_fir_avx2, deal_avx2, weave_avx2};
const rm_fir_kernels rm_fir_kernels_avx512 = {rm_fir_avx512, deal_avx512, weave_avx512};

#elif RM_ARM

const rm_fir_kernels rm_fir_kernels_neon = {rm_fir_neon, deal, weave};

#endif
