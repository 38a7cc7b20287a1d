"""For tests, imported by no product module.

``agent_under_test`` puts an agent on the telephone in virtual time. Beside it: virtual clock,
seeded network, SIP peers, and the conformance kit of providers.
"""

from rapida_media.testing.agent import agent_under_test
from rapida_media.testing.network import Conditions
from rapida_media.testing.phone import TestPhone

__all__ = ["Conditions", "TestPhone", "agent_under_test"]
