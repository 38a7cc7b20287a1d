"""rapida-media: a SIP/RTP media engine that puts phone calls on AI agents."""
