"""SHA-256 of both G.711 laws over all inputs, made with independent implementations.

Encoders were fed -32768..32767 ascending, decoders 0..255; PCM is int16 little endian. The ITU
value is the one of the Recommendation's own one's-complement treatment of negative samples; other
code in use differs on some of the negative decision values (μ-law: CPython's audioop on 508).
"""

EVERY_SAMPLE = "697df5e3231fd569f25e5826e4aab08fe4526bb6730a7489aabeb4708e6efe5d"
ULAW_DECODE = "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827"
ALAW_DECODE = "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174"
ULAW_ENCODE = "90c29de505fb68e766118303bd552a16005dcf810873698bee1d8f3b247ce28c"
ALAW_ENCODE = "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b"
ULAW_TO_ALAW = "a511897e1e42589f5c11a56615e0c29db268e20f82ee5cb81d7c42f812fe8f17"
ALAW_TO_ULAW = "29fe089f9333915612c7283f92586f175e6e9ff5819768e9545c11c87e5bea54"
