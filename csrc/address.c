#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static void unmap(rm_address *address)
{
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (address->family != AF_INET6 || memcmp(address->ip, prefix, sizeof prefix) != 0)
        return;
    address->family = AF_INET;
    memmove(address->ip, address->ip + 12, 4);
    memset(address->ip + 4, 0, 12);
}

bool rm_address_parse(rm_address *address, const char *host, uint16_t port)
{
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, address->ip) == 1)
        address->family = AF_INET;
    else if (inet_pton(AF_INET6, host, address->ip) == 1)
        address->family = AF_INET6;
    else
        return false;
    address->port = port;
    unmap(address);
    return true;
}

void rm_address_format(const rm_address *address, char text[RM_ADDRESS_TEXT_BYTES])
{
    text[0] = 0;
    if (address->family)
        inet_ntop(address->family, address->ip, text, RM_ADDRESS_TEXT_BYTES);
}

bool rm_address_equal(const rm_address *a, const rm_address *b)
{
    return a->family == b->family && a->port == b->port &&
           memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

void rm_address_from_socket(rm_address *address, const struct sockaddr_storage *from)
{
    memset(address, 0, sizeof *address);
    address->family = from->ss_family;
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        memcpy(address->ip, &in->sin_addr, 4);
        address->port = ntohs(in->sin_port);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)from;
        memcpy(address->ip, &in->sin6_addr, 16);
        address->port = ntohs(in->sin6_port);
        unmap(address);
    } else {
        address->family = 0;
    }
}

static socklen_t to_inet6(const rm_address *address, struct sockaddr_storage *to)
{
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)to;
    memset(in, 0, sizeof *in);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(address->port);
    if (address->family == AF_INET6) {
        memcpy(&in->sin6_addr, address->ip, 16);
    } else {
        in->sin6_addr.s6_addr[10] = in->sin6_addr.s6_addr[11] = 0xff;
        memcpy(&in->sin6_addr.s6_addr[12], address->ip, 4);
    }
    return sizeof *in;
}

socklen_t rm_address_to_socket(const rm_address *address, int socket_family,
                               struct sockaddr_storage *to)
{
    if (address->family == 0)
        return 0;
    if (socket_family == AF_INET6)
        return to_inet6(address, to);
    if (address->family != AF_INET)
        return 0;
    struct sockaddr_in *in = (struct sockaddr_in *)to;
    memset(in, 0, sizeof *in);
    in->sin_family = AF_INET;
    in->sin_port = htons(address->port);
    memcpy(&in->sin_addr, address->ip, 4);
    return sizeof *in;
}
