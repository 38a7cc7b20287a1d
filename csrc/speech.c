/* Speech or background, by the energy; see speech.h. */
#include "speech.h"

#include <math.h>
#include <string.h>

enum {
    BLOCK = 160,   /* 10 ms */
    LEARNING = 10, /* blocks: who is called in a car is in it from the first moment */
};

static const float HIGH_PASS = 0.9106F; /* 1 / (1 + 2 pi 250 Hz / 16 kHz) */
/* In energy: 6 dB above the background begins speech, 3 dB keep it. The weak end of a word is
 * nearer to the background than the vowel it follows. */
static const float BEGINS = 4.0F, STAYS = 2.0F;
/* -50 dBov: a quiet talker is 20 dB louder, and below it lie line noise and the echo of what is
 * played. */
static const float LEAST = 104.0F * 104.0F;
/* -75 dBov. Less is no background but a gate that will open, or a line that is not through yet:
 * what comes after is not measured against it. */
static const float SOUND = 5.8F * 5.8F;

void rm_speech_init(rm_speech *s)
{
    memset(s, 0, sizeof *s);
    rm_noise_floor_init(&s->floor);
}

static float filtered_energy(rm_speech *s, const int16_t *pcm, size_t n)
{
    float x1 = s->x1, y1 = s->y1, energy = 0;
    for (size_t i = 0; i < n; i++) {
        float x = pcm[i];
        y1 = HIGH_PASS * (y1 + x - x1);
        x1 = x;
        energy += y1 * y1;
    }
    s->x1 = x1;
    s->y1 = fabsf(y1) < 1e-6F ? 0 : y1; /* no denormal numbers while there is silence */
    return energy;
}

static void learn(rm_speech *s, float energy)
{
    bool silent = energy < SOUND;
    if (s->blocks == LEARNING) {
        if (!silent)
            rm_noise_floor_track(&s->floor, energy);
        return;
    }
    energy = silent ? LEAST : energy;
    float mean = s->blocks++ == 0 ? energy : s->floor.smooth;
    mean += (energy - mean) / (float)s->blocks;
    s->floor.smooth = s->floor.now = s->floor.before = mean;
}

bool rm_speech_hear(rm_speech *s, const int16_t *pcm, size_t n)
{
    if (n == 0)
        return s->active;
    float energy = 0;
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t part = n - at < BLOCK ? n - at : BLOCK;
        float block = filtered_energy(s, pcm + at, part);
        if (part == BLOCK)
            learn(s, block / BLOCK);
        energy += block;
    }
    float needed = (s->active ? STAYS : BEGINS) * rm_noise_floor_energy(&s->floor);
    s->active = energy > fmaxf(needed, LEAST) * (float)n;
    return s->active;
}
