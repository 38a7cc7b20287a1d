"""The dialects that bots behind a WebSocket speak: one translator for each.

``make_dialect`` gives the translator of one connection, ``authorization`` what the vendor would
add to the request that opens it.
"""

from __future__ import annotations

from rapida_media.agents.dialects.authorization import authorization as authorization
from rapida_media.agents.dialects.base import Dialect, Opening
from rapida_media.agents.dialects.exotel import ExotelDialect, rate_of
from rapida_media.agents.dialects.l16 import L16Dialect
from rapida_media.agents.dialects.twilio import TwilioDialect
from rapida_media.agents.dialects.vonage import VonageDialect
from rapida_media.config.bot import RATES_HZ, BotConfig


def make_dialect(bot: BotConfig, opening: Opening) -> Dialect:
    """Make the translator of one connection to a bot."""
    rate_hz = bot.sample_rate or RATES_HZ[bot.dialect][0]
    match bot.dialect:
        case "vonage":
            return VonageDialect(opening, rate_hz)
        case "exotel":
            if bot.sample_rate is None:
                rate_hz = rate_of(opening.query, rate_hz)
            return ExotelDialect(opening, rate_hz, bot.chunk_ms)
        case "l16":
            return L16Dialect(opening, rate_hz)
    return TwilioDialect(opening)
