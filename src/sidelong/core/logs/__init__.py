"""What a log record says of the job it belongs to, and how it is written."""
