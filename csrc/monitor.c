#include "monitor.h"

#include <stdlib.h>

enum { PCM_MAX_SAMPLES = RM_FRAME_SAMPLES };

rm_monitor *rm_monitor_new(void)
{
    rm_monitor *monitor = calloc(1, sizeof *monitor);
    if (monitor != NULL && !rm_frame_line_init(&monitor->line)) {
        free(monitor);
        return NULL;
    }
    return monitor;
}

void rm_monitor_free(rm_monitor *monitor)
{
    if (monitor == NULL)
        return;
    rm_frame_line_free(&monitor->line);
    free(monitor);
}

void rm_monitor_take(rm_monitor *monitor, uint64_t tick, rm_encoding encoding,
                     const uint8_t *payload, size_t bytes)
{
    int16_t pcm[PCM_MAX_SAMPLES];
    int64_t gap_samples = (int64_t)(tick * RM_FRAME_SAMPLES) - monitor->line.pts;
    if (gap_samples > 0)
        rm_frame_line_skip(&monitor->line, gap_samples);
    rm_payload_decoder_use(&monitor->decoder, encoding);
    rm_payload_decode(&monitor->decoder, payload, bytes, pcm);
    rm_frame_line_write(&monitor->line, pcm, rm_payload_samples(encoding, bytes), 0);
}
