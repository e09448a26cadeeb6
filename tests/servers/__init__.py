"""
Engines on transports, and listeners.
"""
