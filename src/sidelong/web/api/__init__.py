"""What the pages show and do, for programs: the same actions, the same protection, as JSON.

One declaration per address (`endpoint`) says what it takes and what it answers: requests are checked against it, and
the description at `/api/openapi.json` is made of it.
"""
