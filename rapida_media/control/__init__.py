"""The HTTP interface: webhooks and media of providers, and the operators' API."""
