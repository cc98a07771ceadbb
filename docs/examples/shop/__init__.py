"""The example application: a shop that takes orders over HTTP and completes them with background jobs."""
