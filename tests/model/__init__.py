"""The engine as a model: every order of events is drawn, and a seed brings it back."""
