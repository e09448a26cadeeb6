"""
Settings, wiring and the service.
"""
