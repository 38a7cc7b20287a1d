"""Vonage's Voice API as a program: what its platform does to a deployment, without an account.

``VonagePlatform`` calls webhooks with valid tokens, follows the NCCO it is answered, streams a
caller's audio over a WebSocket in real time, plays what it is sent, tells events of both legs, and
serves the calls of the REST API with Vonage's errors. Behind ``rapida-media simulate vonage`` and
the tests.
"""

from rapida_media.testing.vonage.line import VonageLine
from rapida_media.testing.vonage.phone_call import VonageCall
from rapida_media.testing.vonage.platform import VonagePlatform
from rapida_media.testing.vonage.simulate import simulate

__all__ = ["VonageCall", "VonageLine", "VonagePlatform", "simulate"]
