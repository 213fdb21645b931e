"""The API: accepts orders, and tells what became of them."""
