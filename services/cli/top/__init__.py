"""`top`: what a running engine does, on a terminal. Top to bottom: `live` looks again and again,
`frame` and `panels` draw, `view` is what they draw, `figures` and `tally` work it out, `scrape` and
`samples` are where it comes from."""
