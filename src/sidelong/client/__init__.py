"""Getting jobs in: definitions, pushes, bulk pushes."""
