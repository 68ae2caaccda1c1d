"""Moments to files: the index of recorded video, the cutter, the check after writing, and the two loops that drive them."""
