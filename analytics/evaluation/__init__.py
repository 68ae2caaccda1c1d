"""How good it is, measured on a file of examples: reading them, the figures with their intervals, and a page about them.

Nothing here is imported where the product runs.
"""
