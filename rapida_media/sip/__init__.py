"""SIP (RFC 3261), sans-IO: messages, transactions, dialogs and the endpoint that joins them."""
