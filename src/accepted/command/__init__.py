"""The commands, a file for each family; cli.py says which is where."""
