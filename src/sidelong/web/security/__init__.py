"""Who may do what, from where, and how much at once: one file per row of thought of the threat model.

Nothing here touches Redis, and nothing trusts what a request says of itself beyond what a browser alone can write.
"""
