"""Virtual clock, seeded network and SIP peers for tests; imported by no product module."""
