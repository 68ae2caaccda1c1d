"""Training, with what it needs: torch and scikit-learn (extra ``models``). Nothing here is imported where models only run."""
