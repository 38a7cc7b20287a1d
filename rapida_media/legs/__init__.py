"""Legs: what joins one far end to the bus."""
