"""
The tests; C{make test} runs them.
"""
