"""The engine from a terminal: run it here, send it orders, watch them."""
