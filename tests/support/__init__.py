"""What the tests stand on: real servers, faults, processes, and the means to look at what happened."""
