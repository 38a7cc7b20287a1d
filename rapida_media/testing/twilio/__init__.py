"""Twilio as a program: what its platform does to a deployment, without an account.

``TwilioPlatform`` calls webhooks with valid signatures, runs the TwiML it is answered, streams a
caller's audio over a WebSocket in real time, plays what it is sent, and serves the Calls resource
of the REST API with Twilio's errors. Behind ``rapida-media simulate twilio`` and the tests.
"""

from rapida_media.testing.line import Cleared
from rapida_media.testing.platform import Callee
from rapida_media.testing.twilio.line import StreamLine
from rapida_media.testing.twilio.phone_call import PhoneCall
from rapida_media.testing.twilio.platform import TwilioPlatform
from rapida_media.testing.twilio.simulate import simulate

__all__ = ["Callee", "Cleared", "PhoneCall", "StreamLine", "TwilioPlatform", "simulate"]
