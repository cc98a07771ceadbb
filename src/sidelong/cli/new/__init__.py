"""`sidelong new`: files to begin with, made from templates."""
