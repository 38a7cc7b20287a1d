/* Whether somebody speaks, by the energy alone: louder than the background, as it is just now.
 *
 * Who calls: a call whose agent asked for SpeechStarted and SpeechEnded, once per bus frame, through
 * _speech.pyx. What makes events of the answers (onset, hang-over) is in media/speech.py, so that
 * other detectors share it.
 *
 * Theory: below 250 Hz a telephone carries hum and engines rather than speech, so that is taken out
 * first. What remains is held against the noise floor, which follows the pauses (noise_floor.h):
 * a sound that goes on for two seconds without a dip becomes background, as music on hold may not.
 */
#ifndef RM_SPEECH_H
#define RM_SPEECH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "noise_floor.h"

typedef struct rm_speech {
    rm_noise_floor floor;
    float x1, y1;    /* of the high-pass filter */
    uint32_t blocks; /* heard so far, up to LEARNING */
    bool active;
} rm_speech;

void rm_speech_init(rm_speech *s);

/* Take the next samples at 16 kHz, 20 ms or less; gives whether they are speech. A part of less than
 * 10 ms at their end counts for the level and not for the background. */
bool rm_speech_hear(rm_speech *s, const int16_t *pcm, size_t n);

#endif
