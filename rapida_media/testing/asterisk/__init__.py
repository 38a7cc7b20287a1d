"""Asterisk as a program: what a dialplan and its channels do to a deployment.

``AsteriskPlatform`` announces calls as ``CURL()`` does and brings their media by chan_websocket or
AudioSocket, in real time. ARI is not simulated: calls out want an Asterisk. Behind
``rapida-media simulate asterisk`` and the tests.
"""

from rapida_media.testing.asterisk.lines import AudioSocketLine, WebsocketLine
from rapida_media.testing.asterisk.platform import AsteriskPlatform, DialplanCall
from rapida_media.testing.asterisk.simulate import simulate

__all__ = ["AsteriskPlatform", "AudioSocketLine", "DialplanCall", "WebsocketLine", "simulate"]
