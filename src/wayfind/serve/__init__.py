"""The command line: arguments in, the Python API called, answers printed for people or for programs."""
