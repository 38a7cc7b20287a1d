"""The asyncio shell: sockets, ticker, SIP transports. The only package that knows an event loop."""
