/* A numeric IP address and port in one small value. Used by latch.c to compare where media comes
 * from and by media_io.c to talk to the socket calls. IPv4 mapped into IPv6 (RFC 4291 section
 * 2.5.5.2) is held as IPv4, so that a dual-stack socket and an SDP body name the same peer. */
#ifndef RM_ADDRESS_H
#define RM_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { RM_ADDRESS_TEXT_BYTES = 46 }; /* INET6_ADDRSTRLEN */

typedef struct rm_address {
    uint16_t family; /* AF_INET, AF_INET6 or 0 for none */
    uint16_t port;   /* host order */
    uint8_t ip[16];  /* network order; IPv4 in the first four bytes */
} rm_address;

/* False and family 0 when host is no numeric address. */
bool rm_address_parse(rm_address *address, const char *host, uint16_t port);
void rm_address_format(const rm_address *address, char text[RM_ADDRESS_TEXT_BYTES]);
bool rm_address_equal(const rm_address *a, const rm_address *b);

void rm_address_from_socket(rm_address *address, const struct sockaddr_storage *from);

/* Fill *to for a socket of that family; 0 when the address cannot be reached from it. */
socklen_t rm_address_to_socket(const rm_address *address, int socket_family,
                               struct sockaddr_storage *to);

#endif
