"""The commands with which an operator looks at what Redis holds, and steers it."""
