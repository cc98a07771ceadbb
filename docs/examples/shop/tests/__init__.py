"""The tests of the shop, with the fake services in the same process."""
