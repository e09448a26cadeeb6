"""
What operators see.
"""
