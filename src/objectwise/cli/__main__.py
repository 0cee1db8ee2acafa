"""`python -m objectwise.cli`, where the script `objectwise` is not on the path."""

from objectwise.cli.main import main

if __name__ == "__main__":
    main()
