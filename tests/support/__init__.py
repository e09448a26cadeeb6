"""
What tests share: one file a topic.
"""
