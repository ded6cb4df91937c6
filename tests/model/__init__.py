"""An independent model of what must exist: calendar, clocks and ladders computed from acts alone.

It shares no code with the services and reads the same facts (deploy/seed). The demo, the fault tests and the soak hold
a cluster's logs against it.
"""
