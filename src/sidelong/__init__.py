"""Sidekiq for asyncio: a job processor for Python on Redis."""
