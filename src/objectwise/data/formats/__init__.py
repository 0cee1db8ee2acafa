"""One module a file format; `objectwise.data.volumes` is the door, and checks what goes through it."""
