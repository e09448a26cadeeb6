"""
The programs that measure: that they count what they say, and that no figure comes from work that was not done.  None asserts a time.
"""
