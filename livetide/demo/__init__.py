"""The demo: the whole stack, a simulated room with planted truth, and an honest comparison of what came out."""
