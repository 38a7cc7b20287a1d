"""RTCP and the quality of a call (RFC 3550, RFC 3611, ITU-T G.107), sans-IO."""
