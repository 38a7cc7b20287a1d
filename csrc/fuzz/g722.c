/* libFuzzer target for G.722: any octets and any samples, cut anywhere, give the same result as in
 * one piece; every state variable stays in the range that section 6.2 gives it; and a decoder that
 * hears an encoder is always in the encoder's state. */
#include "g722.h"

#include "fuzz.h"

enum { LOWER_SCALE_LIMIT = 18432, HIGHER_SCALE_LIMIT = 22528, OCTETS_MAX = 256 };

static int within(int32_t value, int32_t low, int32_t high) { return value >= low && value <= high; }

static void require_band(const rm_g722_band *band, int32_t scale_limit)
{
    REQUIRE(within(band->nb, 0, scale_limit) && within(band->det, 1, INT16_MAX));
    REQUIRE(within(band->a2, -12288, 12288));
    REQUIRE(within(band->a1, band->a2 - 15360, 15360 - band->a2));
    REQUIRE(within(band->s, INT16_MIN, INT16_MAX) && within(band->sz, INT16_MIN, INT16_MAX));
    REQUIRE(within(band->r1, INT16_MIN, INT16_MAX) && within(band->p1, INT16_MIN, INT16_MAX)
            && within(band->p2, INT16_MIN, INT16_MAX));
    for (int i = 0; i < RM_G722_ZEROS; i++)
        REQUIRE(within(band->b[i], INT16_MIN, INT16_MAX)
                && within(band->d[i], INT16_MIN, INT16_MAX));
}

static void require_bands(const rm_g722_band *lower, const rm_g722_band *higher)
{
    require_band(lower, LOWER_SCALE_LIMIT);
    require_band(higher, HIGHER_SCALE_LIMIT);
}

/* Decode n octets in pieces of `step`, into memory of exactly the promised size. */
static int16_t *decoded(const uint8_t *codes, size_t n, size_t step, rm_g722_decoder *state)
{
    int16_t *pcm = malloc(n ? 4 * n : 1);
    REQUIRE(pcm != NULL);
    rm_g722_decoder_reset(state);
    for (size_t done = 0; done < n; done += step)
        rm_g722_decode(state, codes + done, pcm + 2 * done, n - done < step ? n - done : step);
    require_bands(&state->lower, &state->higher);
    REQUIRE_WRITTEN(pcm, 4 * n);
    return pcm;
}

static uint8_t *encoded(const int16_t *pcm, size_t n, size_t step, rm_g722_encoder *state)
{
    uint8_t *codes = malloc(n ? n : 1);
    REQUIRE(codes != NULL);
    rm_g722_encoder_reset(state);
    for (size_t done = 0; done < n; done += step)
        rm_g722_encode(state, pcm + 2 * done, codes + done, n - done < step ? n - done : step);
    require_bands(&state->lower, &state->higher);
    REQUIRE_WRITTEN(codes, n);
    return codes;
}

static void decode_any_octets(const uint8_t *octets, size_t n, size_t step)
{
    rm_g722_decoder whole, pieces;
    int16_t *pcm = decoded(octets, n, n + 1, &whole);
    int16_t *same = decoded(octets, n, step, &pieces);
    REQUIRE(memcmp(&whole, &pieces, sizeof whole) == 0 && memcmp(pcm, same, 4 * n) == 0);
    free(pcm);
    free(same);
}

static void encode_any_samples(const int16_t *pcm, size_t n, size_t step)
{
    rm_g722_encoder whole, pieces;
    rm_g722_decoder far_end;
    uint8_t *codes = encoded(pcm, n, n + 1, &whole);
    uint8_t *same = encoded(pcm, n, step, &pieces);
    REQUIRE(memcmp(&whole, &pieces, sizeof whole) == 0 && memcmp(codes, same, n) == 0);
    free(decoded(codes, n, n + 1, &far_end));
    REQUIRE(memcmp(&whole.lower, &far_end.lower, sizeof whole.lower) == 0);
    REQUIRE(memcmp(&whole.higher, &far_end.higher, sizeof whole.higher) == 0);
    free(codes);
    free(same);
}

/* The first octet tells the size of the pieces, the second how often the others are repeated: the
 * predictor reaches its limits on long steady signals only. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t signal[OCTETS_MAX];
    if (size < 3 || size - 2 > OCTETS_MAX)
        return 0;
    size_t step = data[0] + 1u, period = size - 2, octets = period * (data[1] / 4 + 1u);
    octets = octets < OCTETS_MAX ? octets : OCTETS_MAX;
    for (size_t i = 0; i < octets; i++)
        signal[i] = data[2 + i % period];
    size_t pairs = octets / 4;
    uint8_t *codes = exact_copy(signal, octets);
    int16_t *pcm = exact_copy(signal, 4 * pairs);
    decode_any_octets(codes, octets, step);
    encode_any_samples(pcm, pairs, step);
    free(codes);
    free(pcm);
    return 0;
}
