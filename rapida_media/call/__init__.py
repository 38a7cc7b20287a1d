"""One call: its life, its bus, what an agent may do with it."""
