"""``python -m rapida_media`` is the ``rapida-media`` command."""

import sys

from rapida_media.cli import main

sys.exit(main())
