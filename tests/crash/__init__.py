"""
Stopped at every operation of the disk, and started again.
"""
