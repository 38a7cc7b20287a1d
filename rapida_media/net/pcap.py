"""The pcap format, with IP and UDP headers of our own making around what a socket gave.

libpcap's savefile format, link type RAW: each packet begins with its IP header (RFC 791, RFC 8200)
and a UDP header (RFC 768). Used by ``capture``.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address

# Magic number of microsecond time stamps, version 2.4, no time zone, no accuracy, LINKTYPE_RAW.
_SNAP_BYTES = 262_144
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, _SNAP_BYTES, 101)
_UDP = 17
_TTL = 64
_UDP_HEADER_BYTES = 8
# What the 16-bit lengths of IPv4 and UDP leave for the payload.
PAYLOAD_LIMIT = 65_535 - 20 - _UDP_HEADER_BYTES

Endpoint = tuple[str, int]


def record(at: float, source: Endpoint, destination: Endpoint, payload: bytes) -> bytes:
    """Give one packet as a file holds it.

    at: seconds since the epoch. source, destination: numeric addresses of one family.
    payload: at most PAYLOAD_LIMIT bytes.
    """
    packet = _ip(source, destination, payload)
    seconds, fraction = divmod(at, 1.0)
    return (
        struct.pack("<IIII", int(seconds), int(fraction * 1e6), len(packet), len(packet)) + packet
    )


def _ip(source: Endpoint, destination: Endpoint, payload: bytes) -> bytes:
    from_ip, to_ip = ip_address(source[0]), ip_address(destination[0])
    length = _UDP_HEADER_BYTES + len(payload)
    udp = struct.pack("!HHHH", source[1], destination[1], length, 0)
    # The pseudo header's length is 16 bits wide in IPv4 and 32 in IPv6: the sum is the same.
    pseudo = from_ip.packed + to_ip.packed + struct.pack("!HH", _UDP, length)
    # "If the computed checksum is zero, it is transmitted as all ones" (RFC 768).
    checksum = _checksum(pseudo + udp + payload) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", checksum)
    if from_ip.version == 6:
        head = struct.pack("!IHBB", 6 << 28, length, _UDP, _TTL)
        return head + from_ip.packed + to_ip.packed + udp + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, _TTL, _UDP, 0)
    head += from_ip.packed + to_ip.packed
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return head + udp + payload


def _checksum(data: bytes) -> int:
    """Give "the 16-bit one's complement of the one's complement sum" (RFC 768)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
