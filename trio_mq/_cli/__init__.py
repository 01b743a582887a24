"""The command ``trio-mq``: each file has a family of its verbs, or what several of them share.

It uses the library as any program does, and nothing in the library knows of it.
"""
