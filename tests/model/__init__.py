"""An independent model of what must exist: calendar, clocks, owners, cards and orders computed from acts alone.

It shares no code with the services and reads the same facts (deploy/seed). The demo, the fault tests and the soak hold
a cluster's logs against it: `Reconciliation` in reconcile.py.
"""
