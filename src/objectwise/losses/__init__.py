"""One loss a file: a function, and a module that only holds options."""
