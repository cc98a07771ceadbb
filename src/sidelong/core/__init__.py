"""Values and pure functions: no Redis, no event loop."""
