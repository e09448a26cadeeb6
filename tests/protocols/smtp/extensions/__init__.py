"""
One test module for each extension.
"""
