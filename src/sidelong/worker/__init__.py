"""Getting jobs out: fetch, run, settle, recover."""
