"""RTP (RFC 3550): sessions over the compiled media stream, sans-IO."""
