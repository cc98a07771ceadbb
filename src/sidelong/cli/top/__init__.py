"""`sidelong top`: a live view of queues, processes, running jobs and retries, and keys that steer them."""
