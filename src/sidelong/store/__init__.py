"""Everything that touches Redis; no other folder imports it."""
