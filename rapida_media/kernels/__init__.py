"""The one door to compiled code. There is no pure-Python fallback: building needs a C compiler."""
