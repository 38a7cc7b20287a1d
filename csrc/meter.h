/* How loud one side of a call is: level of its speech, of its pauses, and clipping. Called once per
 * 20 ms by frame_line.c for what is heard and by sender.c for what is sent. */
#ifndef RM_METER_H
#define RM_METER_H

#include <stddef.h>
#include <stdint.h>

typedef struct rm_meter {
    uint64_t frames, active_frames;
    uint64_t energy, active_energy; /* sums of squares: all frames, active ones */
    uint64_t samples, active_samples;
    uint64_t clipped; /* samples at the end of the scale */
} rm_meter;

void rm_meter_take(rm_meter *m, const int16_t *pcm, size_t n);

/* The same for n zeros. */
void rm_meter_take_silence(rm_meter *m, size_t n);

/* dBov as RFC 6464 has it, 0 to -127; of the frames in which somebody speaks, and of the rest. */
double rm_meter_speech_dbov(const rm_meter *m);
double rm_meter_noise_dbov(const rm_meter *m);

#endif
