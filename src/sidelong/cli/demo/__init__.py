"""The demo: a shop on unreliable services, and its books."""
