"""The fake third parties of the shop: payments, e-mail and fulfilment, and the error catcher.

They live in a process of their own (`python -m shop.services`), keep everything in memory, and misbehave on demand.
"""
