"""RTCP, SRTP contexts and the quality of a call (RFC 3550, 3611, 3711; ITU-T G.107), sans-IO."""
