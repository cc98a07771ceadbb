"""The pages, one file each; none knows another."""
