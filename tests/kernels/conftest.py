"""Kernels are also tested under sanitizers, where no wall-clock deadline makes sense."""

from hypothesis import settings

settings.register_profile("kernels", deadline=None)
settings.load_profile("kernels")
