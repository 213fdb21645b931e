"""`python -m benchmarks.report`: the figures of README.md, and its plots, from the results."""

from pathlib import Path

from benchmarks.sections import SECTIONS, States
from benchmarks.states import NOW, Results, read

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- figures: made by `make bench-report` -->", "<!-- end of figures -->"


def main() -> None:
    """Write both."""
    from benchmarks.plots import draw  # matplotlib is not needed for the text

    states = read()
    README.write_text(inserted(README.read_text(), render(states)))
    draw(states)


def inserted(text: str, figures: str) -> str:
    """`text` with the figures between the marks, and nothing else changed."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"README.md has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{figures}\n{END}{after}"


def render(states: States) -> str:
    """The figures as Markdown: what was measured, section after section."""
    if not states:
        return "Nothing has been measured yet.\n"
    now = states.get(NOW, Results())
    sections = [section(states) for section in SECTIONS]
    origins = "; ".join(sorted(now.origins))
    return (
        f"Measured {origins}. Medians of the runs; `runs` is their lowest and highest.\n\n"
        + "\n".join(text for text in sections if text)
    )


if __name__ == "__main__":
    main()
