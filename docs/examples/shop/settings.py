"""What the environment may change; the defaults suit a first try. Durations are in seconds."""

import os

PORT = int(os.environ.get("SHOP_PORT", "8000"))
SERVICES_PORT = int(os.environ.get("SHOP_SERVICES_PORT", PORT + 1))
SHOP_URL = f"http://127.0.0.1:{PORT}"
SERVICES_URL = f"http://127.0.0.1:{SERVICES_PORT}"

DATABASE = os.environ.get("SHOP_DATABASE", "shop.sqlite3")

PATIENCE = float(os.environ.get("SHOP_PATIENCE", "2"))
"""How long the shop waits for the answer of a service."""

SLOWNESS = float(os.environ.get("SHOP_SLOWNESS", "3"))
"""How long a service takes that was switched to slow."""

RETRY_DELAY = float(os.environ.get("SHOP_RETRY_DELAY", "2"))
"""The first pause before a job is tried again. A real shop leaves this to Sidelong, which begins with 15 seconds."""

OVERDUE = float(os.environ.get("SHOP_OVERDUE", "10"))
"""How old an order without a job may become before it is swept up."""
