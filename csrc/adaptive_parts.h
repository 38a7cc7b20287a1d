/* What the parts of the playout share; only adaptive.c, steps.c and adjust.c include it. */
#ifndef RM_ADAPTIVE_PARTS_H
#define RM_ADAPTIVE_PARTS_H

#include "adaptive.h"

/* --- adjust.c --- */

void rm_loudness_init(rm_loudness *l);
/* Account for what is put out; only real sound tells how loud pauses are. */
void rm_loudness_heard(rm_loudness *l, const int16_t *pcm, size_t n, bool real);

/* Expected loss of MOS when packets are needed margin_ms, and heard delay_ms, after the least
 * delay. */
float rm_adaptive_cost(const rm_adaptive *a, double margin_ms, double delay_ms);

/* At the beginning of a tick, sound being there: put out one step shortened or lengthened and move
 * the position if the delay is worth changing. False: nothing was done. */
bool rm_adaptive_adjust(rm_adaptive *a, double delay_ms);

/* --- steps.c --- */

/* Account for n samples that were written behind the queue's end. */
void rm_adaptive_put_real(rm_adaptive *a, size_t n, bool mute);

/* --- adaptive.c --- */

/* Forget the pieces in front of the position. */
void rm_adaptive_advance(rm_adaptive *a);

/* Play from there on. */
void rm_adaptive_move_to(rm_adaptive *a, int64_t position);

#endif
