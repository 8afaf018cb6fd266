"""Adapting search to one repository without torch: lessons out of the index and the history, components fitted to them, a gate."""
