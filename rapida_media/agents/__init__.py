"""Agents: what talks on a call."""
