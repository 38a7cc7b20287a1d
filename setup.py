"""How the compiled code is built; everything else about the package is in pyproject.toml.

All of csrc/*.c becomes one static library, and every csrc/_*.pyx an extension that takes from it
what it calls.
"""

import os
from glob import glob
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# Portable code: SIMD variants are chosen at run time, never with -march=native.
COMPILE = ["-std=gnu11", "-O3", "-fno-semantic-interposition", "-Wall", "-Wextra"]
SANITIZE = []
if os.environ.get("RAPIDA_SANITIZE"):
    SANITIZE = ["-fsanitize=address,undefined"]
    COMPILE += ["-g", "-O1", "-fno-sanitize-recover=undefined", *SANITIZE]

HEADERS = sorted(glob("csrc/*.h"))
# A source distribution holds these, and whoever changes one has everything built again.
READ = [*HEADERS, *sorted(glob("csrc/*.p??")), *sorted(glob("rapida_media/kernels/*.pxd"))]
LIBRARY = {
    "sources": sorted(glob("csrc/*.c")),
    "obj_deps": {"": HEADERS},
    "include_dirs": ["csrc"],
    "cflags": COMPILE,
}


class BuildExtensions(build_ext):
    """Builds the library first, wherever the command was called from."""

    def run(self) -> None:
        self.run_command("build_clib")
        super().run()


setup(
    libraries=[("rapida_media_kernels", LIBRARY)],
    ext_modules=cythonize(
        [
            Extension(
                f"rapida_media.kernels.{Path(source).stem}",
                [source],
                include_dirs=["csrc"],
                depends=[*LIBRARY["sources"], *READ],
                extra_compile_args=COMPILE,
                extra_link_args=[*SANITIZE, "-lm"],
            )
            for source in sorted(glob("csrc/_*.pyx"))
        ],
        build_dir="build/cython",
        include_path=["csrc", "."],
        language_level=3,
    ),
    cmdclass={"build_ext": BuildExtensions},
    options={"build_ext": {"parallel": os.cpu_count()}},
)
