"""What ``make demo`` shows: one real call to an engine started for it, as numbers and a picture.

``engine``   starts and ends ``rapida-media serve`` as a subprocess (the tests use it as well)
``picture``  draws the two sides of a recorded call
``lossy``    a call over a bad network, in virtual time; ``lossy_picture`` draws it
``speech.wav``  two synthesised sentences, 8 kHz s16 mono, free of rights
"""

from __future__ import annotations

from pathlib import Path

SPEECH = Path(__file__).with_name("speech.wav")
