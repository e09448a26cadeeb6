"""
How fast it is.  C{benchmarks/README.md} says how to run each program.
"""
