"""The losses in other frameworks' own terms; each module imports its framework, and nothing imports them."""
