"""
One file a parser; its docstring states the invariant.
"""
