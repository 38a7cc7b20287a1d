"""Exotel as a program: what its platform does to a deployment, without an account.

``ExotelPlatform`` asks a Voicebot applet's dynamic URL where to stream, opens the stream with its
one retry, sends a caller's audio in chunks of 100 ms, plays what it is sent, calls back, and serves
the Connect API with Exotel's errors. Behind ``rapida-media simulate exotel`` and the tests.
"""

from rapida_media.testing.exotel.line import VoicebotLine
from rapida_media.testing.exotel.phone_call import PhoneCall
from rapida_media.testing.exotel.platform import ExotelPlatform
from rapida_media.testing.exotel.simulate import simulate
from rapida_media.testing.platform import Callee

__all__ = ["Callee", "ExotelPlatform", "PhoneCall", "VoicebotLine", "simulate"]
