"""Imports of agents' modules as they are on disk now, in whatever thread.

Python remembers which files a folder has, for as long as the folder's time stamp stays, and of each
file what it compiled, for as long as length and second of the source stay. Both may be of what
stood there a moment before; and what another thread has just seen of a folder it may note after it
was told to forget (``importlib.invalidate_caches``). So what looks into folders is replaced.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from types import CodeType, ModuleType


class _Source(SourceFileLoader):
    """Compiles what the file says now, and keeps nothing."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def import_fresh(name: str, directory: Path) -> ModuleType:
    """Import a module, from this directory first; one that is imported already stays as it is.

    The bytecode that Python keeps is passed over in the directory itself, not in packages below.
    Raises ImportError, and whatever the module does.
    """
    here = str(directory.resolve())
    if here not in sys.path:
        sys.path.insert(0, here)
    sys.path_importer_cache.clear()
    sys.path_importer_cache[here] = FileFinder(
        here,
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (_Source, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )
    return importlib.import_module(name)
