"""The running engine over real loopback sockets."""
