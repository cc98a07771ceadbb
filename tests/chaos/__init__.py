"""The chaos program: faults on purpose, and a checker that says whether the promises held."""
