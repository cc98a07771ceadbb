"""Charts as shapes, computed here and drawn by templates as SVG: the numbers are readable without any script."""
