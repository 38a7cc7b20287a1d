/* See burst_code.h. The G.711 arithmetic is the load test's own, so that an error in the engine's
 * tables cannot hide by being made twice. */
#include "burst_code.h"

#include <math.h>
#include <string.h>

enum {
    BIT_SAMPLES = 8,
    FIRST_BIT_AT = 8,
    BITS = 18,
    CHECK_BITS = 10,
    AMPLITUDE = 8000, /* a quarter of full scale, -12 dB: no engine clips it */
    ULAW_SILENCE = 0xff,
};

static int16_t expanded[256];
static uint8_t wave_ulaw[2][BIT_SAMPLES];
static int16_t sine_q12[BIT_SAMPLES];
static int32_t weakest, strongest;

/* G.711 table 2: inverted bits; sign, three bits of segment, four of step; bias 33 at 14 bits. */
static int16_t expand(uint8_t code)
{
    unsigned bits = (uint8_t)~code;
    int magnitude = ((int)((((bits & 15u) << 1) + 33u) << ((bits >> 4) & 7u)) - 33) * 4;
    return (int16_t)(bits & 0x80u ? -magnitude : magnitude);
}

static uint8_t nearest_code(int sample)
{
    int best = 0;
    for (int code = 1; code < 256; code++) {
        int now = expanded[code] - sample, then = expanded[best] - sample;
        if (now * now < then * then)
            best = code;
    }
    return (uint8_t)best;
}

static int32_t correlate(const int16_t *pcm)
{
    int32_t sum = 0;
    for (int i = 0; i < BIT_SAMPLES; i++)
        sum += (pcm[i] * sine_q12[i]) >> 4;
    return sum;
}

void burst_code_init(void)
{
    for (int code = 0; code < 256; code++)
        expanded[code] = expand((uint8_t)code);
    int16_t whole[BIT_SAMPLES];
    for (int i = 0; i < BIT_SAMPLES; i++) {
        double sine = sin(2 * M_PI * i / BIT_SAMPLES);
        sine_q12[i] = (int16_t)lrint(4096 * sine);
        wave_ulaw[1][i] = nearest_code((int)lrint(AMPLITUDE * sine));
        wave_ulaw[0][i] = nearest_code((int)lrint(-AMPLITUDE * sine));
        whole[i] = expanded[wave_ulaw[1][i]];
    }
    int32_t nominal = correlate(whole);
    weakest = nominal * 6 / 10; /* a reader 1.18 of 8 samples off still passes, half a bit does not */
    strongest = nominal * 3 / 2;
}

static uint32_t word_of(uint32_t number, uint32_t key)
{
    uint32_t mixed = (key ^ (number + 1) * 0x9e3779b1u) * 0x85ebca6bu;
    mixed = (mixed ^ mixed >> 15) * 0xc2b2ae35u;
    return number << CHECK_BITS | mixed >> (32 - CHECK_BITS);
}

void burst_code_write(uint8_t payload[BURST_SAMPLES], uint32_t number, uint32_t key)
{
    uint32_t word = word_of(number % BURST_NUMBERS, key);
    memset(payload, ULAW_SILENCE, BURST_SAMPLES);
    for (int bit = 0; bit < BITS; bit++)
        memcpy(payload + FIRST_BIT_AT + bit * BIT_SAMPLES, wave_ulaw[word >> bit & 1], BIT_SAMPLES);
}

int32_t burst_code_read(const int16_t *block, uint32_t *word)
{
    int32_t strength = 0;
    *word = 0;
    for (int bit = 0; bit < BITS; bit++) {
        int32_t sum = correlate(block + FIRST_BIT_AT + bit * BIT_SAMPLES);
        int32_t size = sum < 0 ? -sum : sum;
        if (size < weakest || size > strongest)
            return 0;
        *word |= (uint32_t)(sum > 0) << bit;
        strength += size >> 5;
    }
    return strength;
}

bool burst_code_check(uint32_t word, uint32_t key, uint32_t *number)
{
    *number = word >> CHECK_BITS;
    return word == word_of(*number, key);
}

void burst_code_expand(const uint8_t *payload, int16_t *pcm, int n)
{
    for (int i = 0; i < n; i++)
        pcm[i] = expanded[payload[i]];
}
