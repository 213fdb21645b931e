"""The processes: each joins the parts of `orders` in its own `app`."""
