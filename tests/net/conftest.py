"""The engines of ``tests/engine``."""

from engine.conftest import bench as bench
