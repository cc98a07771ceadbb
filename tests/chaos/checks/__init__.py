"""The invariants, one file each or a few that belong together: each notes its figures and violations."""
