/* libFuzzer target for the DTMF detector. The input is a script of tone pairs, noise and plain
 * samples; however it is cut, the same digits come out, in order and without overlap. */
#include "dtmf.h"

#include <math.h>

#include "fuzz.h"

enum { SAMPLES_MAX = 1600, DIGITS_MAX = SAMPLES_MAX / 40 };

typedef struct sound {
    int16_t pcm[SAMPLES_MAX];
    size_t n;
    uint32_t rate_hz;
} sound;

typedef struct found {
    rm_dtmf_digit digits[DIGITS_MAX];
    size_t n;
    rm_dtmf state;
} found;

static void append(sound *s, float value)
{
    if (s->n < SAMPLES_MAX)
        s->pcm[s->n++] = (int16_t)fmaxf(-32768.0F, fminf(32767.0F, value));
}

/* Two sines beside nominal by up to 6.4 %, each of any level, for up to 128 ms. */
static void append_pair(sound *s, script *in)
{
    static const float row_hz[] = {697, 770, 852, 941}, column_hz[] = {1209, 1336, 1477, 1633};
    uint8_t key = take_u8(in);
    float hz[] = {row_hz[key & 3], column_hz[key >> 2 & 3]}, twice[2], sine[2] = {0}, before[2];
    for (int i = 0; i < 2; i++) {
        float turn = 2.0F * (float)M_PI * hz[i] * (1.0F + (int8_t)take_u8(in) / 2000.0F) / s->rate_hz;
        twice[i] = 2.0F * cosf(turn);
        before[i] = -32768.0F * exp2f(-(float)take_u8(in) / 32.0F) * sinf(turn);
    }
    for (size_t n = take_u8(in) * s->rate_hz / 2000; n > 0; n--) {
        append(s, sine[0] + sine[1]);
        for (int i = 0; i < 2; i++) {
            float next = twice[i] * sine[i] - before[i];
            before[i] = sine[i];
            sine[i] = next;
        }
    }
}

static void append_noise(sound *s, script *in)
{
    uint32_t noise = take_u8(in) + 1u;
    unsigned shift = take_u8(in) % 17;
    for (size_t n = take_u8(in) * s->rate_hz / 2000; n > 0; n--) {
        noise = noise * 1664525u + 1013904223u;
        append(s, shift < 16 ? (float)((int16_t)(noise >> 16) >> shift) : 0);
    }
}

static void append_samples(sound *s, script *in)
{
    for (size_t n = take_u8(in); n > 0; n--)
        append(s, (int16_t)take_u16(in));
}

static void require_digit(const found *f, const rm_dtmf_digit *digit)
{
    REQUIRE(digit->symbol && strchr("0123456789*#ABCD", digit->symbol));
    REQUIRE(digit->samples > 0 && digit->start + digit->samples <= f->state.position);
    if (f->n > 0) {
        const rm_dtmf_digit *last = &f->digits[f->n - 1];
        REQUIRE(digit->start >= last->start + last->samples);
    }
}

static void listen(found *f, const sound *s, size_t step)
{
    static rm_dtmf fresh[2];
    rm_dtmf *beginning = &fresh[s->rate_hz == 16000];
    if (beginning->rate_hz == 0)
        rm_dtmf_init(beginning, s->rate_hz);
    f->n = 0;
    f->state = *beginning;
    size_t done = 0;
    while (done < s->n) {
        size_t offered = s->n - done < step ? s->n - done : step;
        int16_t *pcm = exact_copy(s->pcm + done, offered * sizeof *pcm);
        rm_dtmf_digit digit;
        size_t taken = rm_dtmf_push(&f->state, pcm, offered, &digit);
        free(pcm);
        done += taken;
        REQUIRE(taken > 0 && taken <= offered && f->state.position == done);
        REQUIRE(taken == offered || digit.symbol);
        if (digit.symbol) {
            require_digit(f, &digit);
            REQUIRE(f->n < DIGITS_MAX);
            f->digits[f->n++] = digit;
        }
    }
}

static void require_same(const found *a, const found *b)
{
    REQUIRE(a->n == b->n);
    for (size_t i = 0; i < a->n; i++)
        REQUIRE(a->digits[i].symbol == b->digits[i].symbol
                && a->digits[i].start == b->digits[i].start
                && a->digits[i].samples == b->digits[i].samples);
}

/* The first octet chooses the rate, the second the size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sound s;
    static found whole, pieces;
    script in = {data, size};
    s.n = 0;
    s.rate_hz = take_u8(&in) & 1 ? 16000 : 8000;
    size_t step = take_u8(&in) + 1u;
    while (in.left > 0 && s.n < SAMPLES_MAX) {
        switch (take_u8(&in) % 4) {
        case 0: append_samples(&s, &in); break;
        case 1: append_noise(&s, &in); break;
        default: append_pair(&s, &in); break;
        }
    }
    listen(&whole, &s, SAMPLES_MAX);
    listen(&pieces, &s, step);
    require_same(&whole, &pieces);
    return 0;
}
