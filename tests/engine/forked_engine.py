"""Starts ``serve`` again and again in children that have everything imported already.

python forked_engine.py CONFIG-FILE: for each line on standard input one child, whose pid goes to
standard output; the next line is read when it has ended.
"""

from __future__ import annotations

import os
import sys

from rapida_media.cli import main

if __name__ == "__main__":
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(main(["serve", "--config", sys.argv[1], "--http", "127.0.0.1:0"]))
        print(pid, flush=True)
        os.waitpid(pid, 0)
