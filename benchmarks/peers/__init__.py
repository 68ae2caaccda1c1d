"""The same work as users of other systems would write it. ``__main__.py`` runs each as a program of its own."""
