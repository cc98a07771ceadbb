"""Starlette's client, which runs an app in a thread of its own."""

import warnings

with warnings.catch_warnings():
    # It would rather have the successor of httpx.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

__all__ = ["TestClient"]
