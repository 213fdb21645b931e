"""Words from elsewhere, such as a venue's, made fit to be kept and told."""


def plain(text: str) -> str:
    """`text` without NUL, which PostgreSQL's text cannot hold, and without lone surrogates,
    which no encoding can."""
    if text.isascii():
        return text.replace("\0", "")
    return text.replace("\0", "").encode("utf-8", "replace").decode()
