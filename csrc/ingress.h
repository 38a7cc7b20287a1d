/* Ingress policy "immediate": audio packets of one believed source → frames, for a consumer
 * (a recogniser) that wants every packet at once and in its place on the time line.
 *
 *   in sequence                      decoded on arrival
 *   ahead of a hole                  held, until the hole fills or its wait has passed: nothing where
 *                                    packets keep their order, else as long as this path's
 *                                    stragglers are late, at most gap_wait
 *   hole still there then            concealed for the length of the missing packets, from both
 *                                    sides, marked
 *   timestamps jump, sequence does   a pause of the sender (DTX, a telephone-event): no loss,
 *   not                              the position moves on
 *   timestamps jump beyond reason    the clock began anew: the position follows the arrival clock
 *   behind the position              late, counted
 *
 * Called once per packet and at deadlines by stream.c. */
#ifndef RM_INGRESS_H
#define RM_INGRESS_H

#include "conceal.h"
#include "frame_line.h"
#include "packet.h"
#include "stragglers.h"

enum { RM_HELD_PACKETS = 16 };

/* A packet kept for later; the buffer stays and is used again. */
typedef struct rm_held {
    rm_packet packet;
    uint8_t *buffer;
    uint32_t capacity;
} rm_held;

typedef struct rm_ingress {
    double deadline; /* of the hole in front of held[0]; INFINITY when there is none */
    double gap_wait; /* seconds; the longest that is waited for a packet */
    rm_stragglers stragglers;
    bool unframed;   /* pieces as they come, at the encoding's own rate, instead of bus frames */
    uint32_t line_hz;
    uint64_t late;
    bool sequenced; /* next_sequence is known */
    bool anchored;  /* next_timestamp is known to lie at line.pts */
    bool heard;     /* audio has been played */
    uint16_t next_sequence;
    uint32_t next_timestamp;
    uint32_t rate_hz;      /* of the timestamps */
    uint32_t last_samples; /* length of the last audio packet on the line */
    double last_arrival;
    rm_payload_decoder decoder;
    rm_conceal conceal;
    rm_frame_line line;
    uint32_t held_count;
    rm_held held[RM_HELD_PACKETS]; /* in sequence */
    rm_held first_of_pair;         /* waits for the packet that makes it believable */
    bool pair_pending;
} rm_ingress;

bool rm_ingress_init(rm_ingress *in, double gap_wait);
void rm_ingress_free(rm_ingress *in);

/* Place one packet of the believed source that is no duplicate. */
void rm_ingress_receive(rm_ingress *in, const rm_packet *packet);

/* Keep the packet that may turn out to be the first of a new beginning. */
void rm_ingress_keep_first(rm_ingress *in, const rm_packet *packet);

/* The kept packet, if `packet` follows it; it is forgotten. Else NULL. */
const rm_packet *rm_ingress_take_first(rm_ingress *in, const rm_packet *packet);

/* A new beginning with `packet` (new SSRC, restarted sequence): play what is held, forget sequence
 * and timestamps, and play the kept packet if this one follows it. The caller then receives
 * `packet` itself. */
void rm_ingress_restart(rm_ingress *in, const rm_packet *packet);

/* Give up waiting for the holes whose deadline has come. */
void rm_ingress_handle_timeout(rm_ingress *in, double now);

/* Begin the time line with a packet that is no audio (an event), if nothing has begun it yet. */
void rm_ingress_anchor(rm_ingress *in, const rm_packet *packet);

/* Position of a timestamp on the frame line, not before 0. */
int64_t rm_ingress_position(const rm_ingress *in, uint32_t timestamp);

#endif
